// hammer: the strict load client as a program. The result is one JSON object on stdout; exit 0 when
// no request failed, 3 when one did, 1 when the client itself could not work, 2 on bad usage.
// INT and TERM finish gracefully (twice: at once), USR1 marks this instant, USR2 says that the
// target is about to stop, HUP makes idle connections ask once more.
#include <csignal>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "tests/support/load_client.hpp"

namespace {

using holdfast::testing::GroupOptions;
using holdfast::testing::LoadClient;
using holdfast::testing::LoadOptions;
using holdfast::testing::LoadResult;
using holdfast::testing::parse_duration;

constexpr int kFailed = 3;
constexpr std::chrono::milliseconds kTick(20);
constexpr int kTicksPerProgress = 5;

constexpr const char* kUsage = R"(usage: hammer --target ADDRESS [options] --group KEY=VALUE,... ...

ADDRESS: 127.0.0.1:8080, [::1]:8080, unix:/path, unix:@abstract
  --duration 10s        until INT without it
  --requests N          stop after N requests
  --tls                 without verification; an end without close_notify is a reset
  --expect-stop         a refused connect is right; a group ends at its first one
  --connect-timeout 10s
  --window 300ms        length of the window after each mark (SIGUSR1)
  --generation-header X-Generation    --worker-header X-Worker
  --progress            a JSON line on stderr every 100 ms
  --no-timeline         leave the timeline out of the result

A group: name= mode=keepalive|new|upload|slowsend|halfhead|preconnect|raw|idle connections=
  requests= think=0-50ms path= method= post=100% post_path= body=200 header=Name:value
  per_connection= close=1 ids=1 timeout=30s expect=200|close verify=auto|none|hello|echo
  upload: size=10MiB rate=5MiB/s   slowsend: pieces=8 over=400ms   raw: text=GET\x20/\r\n file=PATH
  think is the hold in the modes halfhead and preconnect.
)";

struct Arguments {
  LoadOptions load;
  bool progress = false;
  bool timeline = true;
};

Arguments parse(int argc, char** argv) {
  using Value = std::string_view;
  Arguments arguments;
  LoadOptions& load = arguments.load;
  const std::map<Value, std::function<void()>> switches{
      {"--expect-stop", [&] { load.expect_stop = true; }},
      {"--tls", [&] { load.tls = true; }},
      {"--progress", [&] { arguments.progress = true; }},
      {"--no-timeline", [&] { arguments.timeline = false; }}};
  const std::map<Value, std::function<void(Value)>> flags{
      {"--target", [&](Value v) { load.target = v; }},
      {"--duration", [&](Value v) { load.duration = parse_duration(v); }},
      {"--requests", [&](Value v) { load.max_requests = std::stoull(std::string(v)); }},
      {"--connect-timeout", [&](Value v) { load.connect_timeout = parse_duration(v); }},
      {"--window", [&](Value v) { load.window = parse_duration(v); }},
      {"--generation-header", [&](Value v) { load.generation_header = v; }},
      {"--worker-header", [&](Value v) { load.worker_header = v; }},
      {"--group", [&](Value v) { load.groups.push_back(holdfast::testing::parse_group(v)); }}};
  for (int i = 1; i < argc; ++i) {
    const Value flag = argv[i];
    if (const auto found = switches.find(flag); found != switches.end()) {
      found->second();
      continue;
    }
    const auto found = flags.find(flag);
    if (found == flags.end() || i + 1 == argc) {
      throw std::invalid_argument("cannot use argument '" + std::string(flag) + "'");
    }
    found->second(argv[++i]);
  }
  if (load.target.empty()) throw std::invalid_argument("cannot run without --target");
  if (load.groups.empty()) load.groups.emplace_back();
  return arguments;
}

void report_progress(const LoadClient& client) {
  const nlohmann::ordered_json line{{"progress",
                                     {{"requests", client.requests_done()},
                                      {"failed", client.requests_failed()},
                                      {"open", client.connections_open()},
                                      {"parked", client.connections_parked()},
                                      {"woken", client.wakes()},
                                      {"awake", client.connections_awake()}}}};
  std::cerr << line.dump() + "\n" << std::flush;
}

void serve_signals(LoadClient& client, const sigset_t& signals, bool progress) {
  const timespec tick{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(kTick).count()};
  for (int ticks = 1; !client.over(); ++ticks) {
    switch (sigtimedwait(&signals, nullptr, &tick)) {
      case SIGINT:
      case SIGTERM:
        client.stop();
        break;
      case SIGUSR1:
        client.mark();
        break;
      case SIGHUP:
        client.wake();
        break;
      case SIGUSR2:
        client.expect_stop();
        break;
      default:
        break;
    }
    if (progress && ticks % kTicksPerProgress == 0) report_progress(client);
  }
  if (progress) report_progress(client);
}

int run(Arguments arguments) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  LoadClient client(std::move(arguments.load));
  client.start();
  serve_signals(client, signals, arguments.progress);
  const LoadResult result = client.join();
  nlohmann::ordered_json json = to_json(result);
  if (!arguments.timeline) json.erase("timeline");
  std::cout << json.dump() << "\n";
  return result.failed() == 0 ? 0 : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || std::strcmp(argv[1], "--help") == 0) {
    std::cout << kUsage;
    return argc < 2 ? 2 : 0;
  }
  try {
    return run(parse(argc, argv));
  } catch (const std::invalid_argument& error) {
    std::cerr << "hammer: " << error.what() << "\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "hammer: " << error.what() << "\n";
    return 1;
  }
}
