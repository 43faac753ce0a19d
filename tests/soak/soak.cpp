// soak: holds holdfast to its promises for as long as one likes. Exit 0 when every one was kept, 1
// when not, 2 on bad usage.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <random>
#include <string>

#include "tests/soak/act.hpp"

namespace {

using namespace holdfast::testing;

constexpr const char* kUsage =
    R"(usage: soak [--minutes N | --seconds N] [--seed N] [--idle close|handoff] [--workers N]

Every kind of client at once against one supervisor, reloaded, scaled, rotated and robbed of its
workers at random; one supervisor for each idle policy, one after the other. Default: 1 minute.
The same seed gives the same deeds; what falls between them is the machine's.
)";

struct Arguments {
  double seconds = 60;
  std::uint64_t seed = std::random_device{}();
  std::string idle;
  int workers = 2;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 == argc) throw std::invalid_argument("cannot use argument '" + flag + "'");
    const std::string value = argv[i + 1];
    if (flag == "--minutes") {
      arguments.seconds = std::stod(value) * 60;
    } else if (flag == "--seconds") {
      arguments.seconds = std::stod(value);
    } else if (flag == "--seed") {
      arguments.seed = std::stoull(value);
    } else if (flag == "--idle" && (value == "close" || value == "handoff")) {
      arguments.idle = value;
    } else if (flag == "--workers") {
      arguments.workers = std::stoi(value);
    } else {
      throw std::invalid_argument("cannot use argument '" + flag + " " + value + "'");
    }
  }
  return arguments;
}

std::vector<std::string> policies(const Arguments& arguments) {
  const std::string help = run_command({holdfast_path(), "run", "--help"}).out;
  if (help.find("--idle ") == std::string::npos) return {""};
  if (!arguments.idle.empty()) return {arguments.idle};
  return {"handoff", "close"};
}

void print(const std::string& idle, const ActReport& r) {
  const auto n = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf("\nidle policy: %s\n", idle.empty() ? "close (no --idle)" : idle.c_str());
  std::printf(
      "  %d rounds: %llu HUPs, %llu reloads, %llu failed (%llu of them broken on purpose)\n",
      r.rounds, n(r.deeds.hups), n(r.reloads), n(r.reloads_failed), n(r.deeds.bad_deploys));
  std::printf(
      "  %llu workers killed with -9; scaled up %llu times, down %llu; %llu log rotations\n",
      n(r.kills), n(r.deeds.scaled_up), n(r.deeds.scaled_down), n(r.deeds.rotations));
  std::printf("  requests:  %llu begun, %llu lost with a killed worker that owned them\n",
              n(r.requests), n(r.ledger.requests_killed));
  std::printf("  WebSockets: %llu opened, %llu echoes\n", n(r.sockets), n(r.echoes));
  std::printf(
      "  connections: %llu handed off, %llu closed idle; %llu ends that kept plain clients saw\n",
      n(r.handed_off), n(r.closed_idle), n(r.closes));
  std::printf("  access log: %llu lines; %llu unwritten at a kill, the oldest by %lld ms\n",
              n(r.ledger.lines), n(r.ledger.lines_killed),
              static_cast<long long>(r.ledger.oldest_line_killed.count()));
  std::printf("  supervisor: %llu KiB early, %llu KiB late, %zu descriptors\n", n(r.rss_early_kib),
              n(r.rss_late_kib), r.descriptors);
  constexpr std::size_t kMost = 20;
  for (std::size_t i = 0; i < std::min(kMost, r.breaches.size()); ++i) {
    std::printf("  BROKEN: %s\n", r.breaches[i].c_str());
  }
  if (r.breaches.size() > kMost) std::printf("  and %zu more\n", r.breaches.size() - kMost);
}

int run(const Arguments& arguments) {
  const auto several = policies(arguments);
  bool kept = true;
  for (const std::string& idle : several) {
    const auto seconds =
        static_cast<std::int64_t>(arguments.seconds) / static_cast<std::int64_t>(several.size());
    const ActReport report = play({.idle = idle,
                                   .seed = arguments.seed,
                                   .duration = std::chrono::seconds(seconds),
                                   .workers = arguments.workers});
    print(idle, report);
    std::fflush(stdout);
    if (report.breaches.empty()) continue;
    kept = false;
    const std::string path = "/tmp/holdfast-soak-" + std::to_string(arguments.seed) + ".events";
    std::ofstream(path) << report.events << "\n";
    std::printf("  the events: %s\n", path.c_str());
  }
  std::printf("\n%s; seed %llu\n", kept ? "Every promise was kept" : "NOT every promise was kept",
              static_cast<unsigned long long>(arguments.seed));
  return kept ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
    std::cout << kUsage;
    return 0;
  }
  try {
    return run(parse(argc, argv));
  } catch (const std::logic_error& error) {
    std::cerr << "soak: " << error.what() << "\n" << kUsage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "soak: " << error.what() << "\n";
    return 1;
  }
}
