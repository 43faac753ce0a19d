// The httpdown contract as an API, in the test's own process. HD: facebookgo/httpdown's tests, WL:
// cybozu-go/well's (docs/conformance.md).
#include <cstring>
#include <fcntl.h>
#include <future>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "holdfast/worker/asio.hpp"
#include "shared/io/unique_fd.hpp"
#include "tests/integration/in_process.hpp"
#include "tests/support/access_log_reader.hpp"
#include "tests/support/certificate.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/temp_dir.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;
using worker::ConnectionState;
using worker::Done;
using worker::Options;
using worker::PlainHandler;
using worker::Request;
using worker::ResponseWriter;
using worker::Server;
using worker::StopResult;
using worker::StreamHandler;

const std::string kAnywhere = "127.0.0.1:0";
constexpr std::size_t kLarge = 50'000;  // httpdown's

void say_hello(const Request&, ResponseWriter& response) { response.write("hello"); }

class ServerApiTest : public ::testing::Test {
 protected:
  RecordedStats stats;
  RecordedStates states;
  Options options{.access_log = "off", .stats = &stats};
};

TEST_F(ServerApiTest, StopsAtOnceWithoutARequestAndCountsServeAndStop) {  // HD1
  Server server(options);
  serve_anywhere(server);
  const StopResult result = server.stop();
  EXPECT_FALSE(result.failure);
  EXPECT_FALSE(result.killed);
  EXPECT_EQ(stats.sum("serve"), 1);
  EXPECT_EQ(stats.sum("stop"), 1);
  EXPECT_EQ(stats.sum("kill"), 0);
  EXPECT_EQ(stats.times("stop.time").size(), 1U);
}

TEST_F(ServerApiTest, AnIdleConnectionDoesNotHoldAStopUp) {  // HD2
  Server server(options);
  server.handle(say_hello);
  RawClient client(serve_anywhere(server));
  EXPECT_EQ(client.get("/").body, "hello");
  const auto began = Clock::now();
  const StopResult result = server.stop();
  EXPECT_LT(Clock::now() - began, scaled(5s));  // stop_timeout is a minute
  EXPECT_FALSE(result.failure);
  EXPECT_EQ(result.closed_idle, 1U);
  EXPECT_EQ(client.wait_end(), End::Closed);
  EXPECT_FALSE(server.wait());
  EXPECT_EQ(stats.sum("conn.closed"), 1);
}

TEST_F(ServerApiTest, AResponseThatIsBeingSentAtAStopArrivesWhole) {  // HD3, HD7
  Server server(options);
  HeldHandler held(kLarge);
  server.handle(held.handler());
  RawClient client(serve_anywhere(server));
  client.send(get_request("/"));
  ASSERT_TRUE(held.wait_held());
  auto stopped = std::async(std::launch::async, [&] { return server.stop(); });
  EXPECT_FALSE(server.wait());  // the stop has begun
  boost::asio::post(io_context(server), held.take());
  const Response response = client.read_response();
  EXPECT_EQ(response.body, std::string(kLarge, 'x'));
  const StopResult result = stopped.get();
  EXPECT_FALSE(result.failure);
  EXPECT_FALSE(result.killed);
  EXPECT_EQ(result.served, 1U);
}

TEST_F(ServerApiTest, ANewConnectionIsRefusedWhileAStopWaitsForARequest) {  // HD4
  Server server(options);
  HeldHandler held(kLarge);
  server.handle(held.handler());
  const std::string address = serve_anywhere(server);
  RawClient client(address);
  client.send(get_request("/"));
  ASSERT_TRUE(held.wait_held());
  server.request_stop();
  EXPECT_FALSE(server.wait());
  EXPECT_TRUE(is_refused(address));
  boost::asio::post(io_context(server), held.take());
  EXPECT_EQ(client.read_response().body, std::string(kLarge, 'x'));
  EXPECT_FALSE(server.stop().failure);
}

TEST_F(ServerApiTest, AnErrorOfClosingAListenerIsTheStopsResult) {  // HD5
  Server server(options);
  const int listener = listen_anywhere();
  ASSERT_FALSE(server.serve(listener));
  const std::string address = server.addresses().at(0);
  EXPECT_EQ(RawClient(address).get("/").status, 404);  // the server accepts from it
  ::close(listener);                                   // behind its back
  const StopResult result = server.stop();
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->message,
            "cannot close the listener " + address + ": Bad file descriptor");
  EXPECT_EQ(result.failure->code, std::errc::bad_file_descriptor);
  EXPECT_EQ(stats.sum("listener.close.error"), 1);
}

TEST_F(ServerApiTest, AnErrorOfAcceptIsTheWaitsResultAndNotTheStops) {  // HD6
  Server server(options);
  server.handle(say_hello);
  const int listener = listen_anywhere();
  const UniqueFd ours(::dup(listener));
  ASSERT_FALSE(server.serve(listener));
  const std::string address = server.addresses().at(0);
  RawClient client(address);
  EXPECT_EQ(client.get("/").body, "hello");
  ASSERT_EQ(::shutdown(ours.get(), SHUT_RDWR), 0);
  const auto failure = server.wait();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->message, "cannot accept on " + address + ": Invalid argument");
  EXPECT_EQ(failure->code, std::errc::invalid_argument);
  EXPECT_EQ(client.get("/").body, "hello") << "what was accepted is served on";
  EXPECT_FALSE(server.stop().failure);
  EXPECT_TRUE(server.wait());  // still the same answer
}

TEST_F(ServerApiTest, StoppingTwiceGivesTheSameResult) {  // HD11
  Server server(options);
  server.handle(say_hello);
  RawClient client(serve_anywhere(server));
  EXPECT_EQ(client.get("/").body, "hello");
  auto other = std::async(std::launch::async, [&] { return server.stop(); });
  const StopResult first = server.stop();
  const StopResult second = other.get();
  EXPECT_FALSE(first.failure);
  EXPECT_FALSE(second.failure);
  EXPECT_EQ(first.closed_idle, 1U);
  EXPECT_EQ(second.closed_idle, 1U);
  EXPECT_EQ(server.stop().closed_idle, 1U);
  EXPECT_EQ(stats.sum("stop"), 1);
}

TEST_F(ServerApiTest, TheConnectionHookSeesEveryState) {  // HD12
  Server server(options);
  const worker::Handler plain = PlainHandler(say_hello);
  const worker::Handler hijack =
      StreamHandler([](const Request&, ResponseWriter& response, Done done) {
        auto stream = response.hijack();
        stream.write("raw", [](bool) {});
        done(nullptr);
      });
  server.select([&](const Request& request) -> const worker::Handler& {
    return request.path() == "/hijack" ? hijack : plain;
  });
  server.on_connection_state(states.hook());
  RawClient client(serve_anywhere(server));
  EXPECT_EQ(client.get("/").body, "hello");
  client.send(get_request("/hijack"));
  EXPECT_EQ(client.read_until("raw"), "raw");
  EXPECT_EQ(client.wait_end(), End::Closed);
  ASSERT_TRUE(states.wait(ConnectionState::Closed));
  EXPECT_EQ(states.all(),
            (std::vector<std::string>{"1 new>new", "1 new>active", "1 active>idle", "1 idle>active",
                                      "1 active>hijacked", "1 hijacked>closed"}));
  EXPECT_FALSE(server.stop().killed) << "a stream that ended inside its handler's call";
}

TEST_F(ServerApiTest, AHookThatThrowsHarmsNobody) {
  Server server(options);
  server.handle(say_hello);
  server.on_connection_state([](const worker::ConnectionInfo&, ConnectionState, ConnectionState) {
    throw std::runtime_error("hook");
  });
  RawClient client(serve_anywhere(server));
  EXPECT_EQ(client.get("/").body, "hello");
  EXPECT_EQ(client.get("/").body, "hello");
  EXPECT_FALSE(server.stop().failure);
}

// As a user without rights has it, whatever the machine's and this process's rights are: in a
// network of its own, where the kernel's default holds, without CAP_NET_BIND_SERVICE.
void give_up_low_ports() {
  ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << std::strerror(errno);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  ASSERT_EQ(::syscall(SYS_capget, &header, data), 0);
  data[0].effective &= ~(1U << CAP_NET_BIND_SERVICE);
  ASSERT_EQ(::syscall(SYS_capset, &header, data), 0);
}

TEST_F(ServerApiTest, WithoutAnAddressItListensOnPort80) {  // HD13
  std::thread([&] {
    if (::geteuid() == 0) give_up_low_ports();
    Server server(options);
    const auto failure = server.listen_and_serve();
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->message, "cannot listen on :80: Permission denied");
    EXPECT_EQ(failure->code, std::errc::permission_denied);
    EXPECT_EQ(stats.sum("listen.error"), 1);
    EXPECT_EQ(stats.sum("serve"), 0);
    EXPECT_FALSE(server.wait()) << "nothing is served";
    EXPECT_FALSE(server.stop().failure);
  }).join();
}

TEST_F(ServerApiTest, WithTlsItListensOnPort443) {  // HD14
  const TempDir dir;
  const Certificate certificate(dir, "server");
  options.tls = {.certificate = certificate.certificate, .key = certificate.key};
  std::thread([&] {
    if (::geteuid() == 0) give_up_low_ports();
    Server server(options);
    const auto failure = server.listen_and_serve();
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->message, "cannot listen on :443: Permission denied");
    EXPECT_EQ(stats.sum("listen.error"), 1);
  }).join();
}

TEST_F(ServerApiTest, AResponseOverTlsThatIsBeingSentAtAStopArrivesWhole) {  // HD15
  const TempDir dir;
  const Certificate certificate(dir, "server");
  options.tls = {.certificate = certificate.certificate, .key = certificate.key};
  Server server(options);
  HeldHandler held(kLarge);
  server.handle(held.handler());
  const std::string address = serve_anywhere(server);
  auto fetched = std::async(std::launch::async, [&] {
    return run_command({"curl", "-sS", "--cacert", certificate.certificate,
                        "https://localhost" + address.substr(address.rfind(':'))});
  });
  ASSERT_TRUE(held.wait_held());
  server.request_stop();
  EXPECT_FALSE(server.wait());
  boost::asio::post(io_context(server), held.take());
  EXPECT_EQ(fetched.get().out, std::string(kLarge, 'x'));
  const StopResult result = server.stop();
  EXPECT_FALSE(result.failure);
  EXPECT_FALSE(result.killed);
}

TEST_F(ServerApiTest, ACertificateThatCannotBeReadIsTheFailure) {
  options.tls = {.certificate = "/nonexistent/cert.pem", .key = "/nonexistent/key.pem"};
  Server server(options);
  const auto failure = server.listen_and_serve(kAnywhere);
  ASSERT_TRUE(failure);
  EXPECT_NE(failure->message.find("/nonexistent/"), std::string::npos) << failure->message;
}

// cybozu-go/well's HTTPServer
// -------------------------------------------------------------------------------------------------

TEST_F(ServerApiTest, HandlersSeeRequestIdsAndEachRequestHasItsLine) {  // WL1, WL13
  const TempDir dir;
  options.access_log = dir.file("access.log");
  Server server(options);
  std::vector<std::string> seen;
  const worker::Handler hello = PlainHandler([&](const Request& request, ResponseWriter& response) {
    seen.push_back(request.request_id());
    seen.push_back(request.request_id());
    response.write("hello");
  });
  const worker::Handler missing =
      PlainHandler([](const Request&, ResponseWriter& response) { response.status(404); });
  const worker::Handler shutdown = PlainHandler([&](const Request& request, ResponseWriter&) {
    seen.push_back(request.request_id());
    server.request_stop();
  });
  server.select([&](const Request& request) -> const worker::Handler& {
    if (request.path() == "/hello") return hello;
    return request.path() == "/shutdown" ? shutdown : missing;
  });
  const std::string address = serve_anywhere(server);
  RawClient client(address);
  EXPECT_EQ(client.get("/hello", "X-Request-ID: id-1\r\n").body, "hello");
  EXPECT_EQ(client.get("/notfound").status, 404);
  EXPECT_EQ(client.get("/shutdown").status, 200);
  const auto began = Clock::now();
  EXPECT_FALSE(server.wait());
  EXPECT_FALSE(server.stop().killed);
  EXPECT_LT(Clock::now() - began, scaled(5s));  // stop_timeout is a minute

  const AccessLog log = AccessLog::read(options.access_log);
  EXPECT_TRUE(log.bad().empty());
  ASSERT_EQ(log.size(), 3U);
  const auto& line = log.only("url", "/hello");
  EXPECT_EQ(line["severity"], "info");
  EXPECT_EQ(line["type"], "access");
  EXPECT_EQ(line["http_status_code"], 200);
  EXPECT_EQ(line["http_method"], "GET");
  EXPECT_EQ(line["response_size"], 5);
  EXPECT_EQ(line["request_id"], "id-1");
  EXPECT_EQ(log.only("url", "/notfound")["severity"], "warning");
  EXPECT_EQ(log.only("url", "/notfound")["http_status_code"], 404);
  EXPECT_EQ(seen.at(0), "id-1");
  EXPECT_EQ(seen.at(1), "id-1");
  EXPECT_EQ(log.only("url", "/shutdown")["request_id"], seen.at(2)) << "a generated one stays";
  EXPECT_EQ(seen.at(2).size(), 32U);
}

TEST_F(ServerApiTest, TheRequestIdsHeaderMayHaveAnotherNameAndBeSaidInResponses) {
  const TempDir dir;
  options.access_log = dir.file("access.log");
  options.request_id_header = "X-Trace";
  options.echo_request_id = true;
  Server server(options);
  server.handle(PlainHandler([](const Request& request, ResponseWriter& response) {
    response.write(request.request_id());
  }));
  RawClient client(serve_anywhere(server));
  const Response given = client.get("/given", "X-Request-ID: no\r\nX-Trace: yes\r\n");
  EXPECT_EQ(given.body, "yes");
  EXPECT_EQ(given.header("x-trace"), "yes");
  const Response insane = client.get("/insane", "X-Trace: \"quoted\"\r\n");
  EXPECT_EQ(insane.body.size(), 32U);
  EXPECT_EQ(insane.header("x-trace"), insane.body);
  client.send("BROKEN\r\n\r\n");
  EXPECT_EQ(client.read_response().header("x-trace").size(), 32U) << "a refusal says it too";
  server.stop();
  const AccessLog log = AccessLog::read(options.access_log);
  EXPECT_EQ(log.only("url", "/given")["request_id"], "yes");
  EXPECT_EQ(log.only("url", "/insane")["request_id"], insane.body);
  options.request_id_header = "no field";
  EXPECT_THROW(Server{options}, std::invalid_argument);
}

TEST_F(ServerApiTest, AKeepAliveHintThatTheServerWouldNotKeepIsRefusedAtOnce) {
  options.keep_alive_hint = options.keep_alive_timeout;
  EXPECT_THROW(Server{options}, std::invalid_argument);
  *options.keep_alive_hint -= 1s;
  EXPECT_NO_THROW(Server{options});
}

TEST_F(ServerApiTest, EveryRequestHasOneLineHoweverItEnded) {
  const TempDir dir;
  options.access_log = dir.file("access.log");
  options.stop_timeout = 100ms;
  Server server(options);
  HeldHandler held(10);
  const worker::Handler holding = held.handler();
  const worker::Handler plain = PlainHandler([](const Request& request, ResponseWriter& response) {
    if (request.path() == "/thrown") throw std::runtime_error("on purpose");
    response.log_field("user", "someone");
    response.status(request.path() == "/teapot" ? 418 : 200);
  });
  server.select([&](const Request& request) -> const worker::Handler& {
    return request.path() == "/cut" ? holding : plain;
  });
  server.on_connection_state(states.hook());
  const std::string address = serve_anywhere(server);
  RawClient(address).get("/fine");
  RawClient(address).get("/teapot");
  RawClient(address).get("/thrown");
  RawClient(address).send("GET /folded HTTP/1.1\r\nHost: a\r\n b\r\n\r\n").wait_end();
  RawClient(address).send("GET /future HTTP/2.0\r\n\r\n").wait_end();
  RawClient(address).send("GET /bare-lf HTTP/1.1\n\n").wait_end();
  RawClient(address).send("GET /" + std::string(20'000, 'x')).wait_end();
  RawClient(address).send("\x16\x03\x01 no request at all").wait_end();
  RawClient(address).send("GET /left HTTP/1.1\r\nHost: ").half_close().wait_end();
  RawClient cut(address);
  cut.send(get_request("/cut"));
  ASSERT_TRUE(held.wait_held());
  EXPECT_EQ(server.stop().cut, 1U);

  const AccessLog log = AccessLog::read(options.access_log);
  EXPECT_TRUE(log.bad().empty());
  EXPECT_EQ(log.size(), 10U);
  struct Expected {
    std::string url;
    int status;
    std::string severity, completion;
  };
  const Expected all[] = {
      {"/fine", 200, "info", "ok"},
      {"/teapot", 418, "warning", "ok"},
      {"/thrown", 500, "error", "handler_error"},
      {"/folded", 400, "warning", "rejected"},
      {"/future", 505, "error", "rejected"},
      {"/bare-lf", 400, "warning", "rejected"},
      {"/" + std::string(2047, 'x'), 414, "warning", "rejected"},
      {"/left", 499, "warning", "client_aborted"},
      {"/cut", 200, "info", "cut"},
  };
  for (const Expected& each : all) {
    const auto& line = log.only("url", each.url);
    EXPECT_EQ(line["http_method"], "GET") << line;
    EXPECT_EQ(line["http_status_code"], each.status) << line;
    EXPECT_EQ(line["severity"], each.severity) << line;
    EXPECT_EQ(line["completion"], each.completion) << line;
  }
  EXPECT_EQ(log.only("url", "/fine")["user"], "someone");
  EXPECT_EQ(log.only("url", "/thrown")["error"], "on purpose");
  EXPECT_EQ(log.only("url", "/future")["protocol"], "HTTP/2.0");
}

TEST_F(ServerApiTest, AStopWithAnIdleClientThatStaysEndsSoon) {  // WL2
  Server server(options);
  server.handle(PlainHandler([](const Request&, ResponseWriter& r) { r.write("hello2"); }));
  RawClient client(serve_anywhere(server));
  EXPECT_EQ(client.get("/").body, "hello2");
  const auto began = Clock::now();
  EXPECT_FALSE(server.stop().failure);
  EXPECT_LT(Clock::now() - began, scaled(3s));
}

TEST_F(ServerApiTest, AHandlerThatOutlivesStopTimeoutIsCutAndReported) {  // WL3
  options.stop_timeout = 50ms;
  Server server(options);
  HeldHandler held(10);
  server.handle(held.handler());
  RawClient client(serve_anywhere(server));
  client.send(get_request("/"));
  ASSERT_TRUE(held.wait_held());
  const StopResult result = server.stop();
  EXPECT_TRUE(result.killed);
  EXPECT_EQ(result.killed_connections, 1U);
  EXPECT_EQ(result.cut, 1U);
  EXPECT_EQ(result.handlers_left, 1U);
  EXPECT_FALSE(result.failure) << "a kill is no error";
  EXPECT_FALSE(server.wait());
  EXPECT_EQ(stats.sum("kill"), 1);
}

TEST_F(ServerApiTest, AHijackedStreamIsToldOfTheStopAndAwaited) {  // WL5
  Server server(options);
  server.handle(StreamHandler([](const Request&, ResponseWriter& response, Done done) {
    auto stream = std::make_shared<worker::Hijacked>(response.hijack());
    stream->write("hello", [](bool) {});
    // Holding itself until the good-bye is sent.
    stream->on_drain([stream] { stream->write("bye", [stream](bool) { stream->close(); }); });
    done(nullptr);
  }));
  RawClient client(serve_anywhere(server));
  client.send(get_request("/"));
  EXPECT_EQ(client.read_until("hello"), "hello");
  const StopResult result = server.stop();
  EXPECT_FALSE(result.killed);
  EXPECT_EQ(client.read_until("bye"), "bye");
  EXPECT_EQ(client.wait_end(), End::Closed);
}

TEST_F(ServerApiTest, TheKernelLooksAfterAPeerThatIsSilentForThreeMinutes) {  // W14
  Server server(options);
  std::promise<std::pair<int, int>> set;
  server.handle(StreamHandler([&](const Request&, ResponseWriter& response, Done done) {
    const worker::Hijacked stream = response.hijack();
    int on = 0;
    int idle = 0;
    socklen_t size = sizeof on;
    ::getsockopt(stream.native_handle(), SOL_SOCKET, SO_KEEPALIVE, &on, &size);
    ::getsockopt(stream.native_handle(), IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size);
    set.set_value({on, idle});
    done(nullptr);
  }));
  RawClient client(serve_anywhere(server));
  client.send(get_request("/"));
  EXPECT_EQ(set.get_future().get(), (std::pair{1, 180}));
}

TEST_F(ServerApiTest, AHijackedStreamThatStaysIsCutAtStopTimeout) {  // WL6
  options.stop_timeout = 100ms;
  Server server(options);
  std::shared_ptr<worker::Hijacked> kept;
  server.handle(StreamHandler([&](const Request&, ResponseWriter& response, Done done) {
    kept = std::make_shared<worker::Hijacked>(response.hijack());
    kept->write("hello", [](bool) {});
    done(nullptr);
  }));
  RawClient client(serve_anywhere(server));
  client.send(get_request("/"));
  EXPECT_EQ(client.read_until("hello"), "hello");
  const StopResult result = server.stop();
  EXPECT_TRUE(result.killed);
  EXPECT_EQ(result.cut, 1U);
}

// Beyond httpdown
// -------------------------------------------------------------------------------------------------

TEST_F(ServerApiTest, OneServerServesSeveralListeners) {
  const TempDir dir;
  Server server(options);
  server.handle(PlainHandler([](const Request& request, ResponseWriter& response) {
    response.write(request.listener());
  }));
  ASSERT_FALSE(server.listen_and_serve(kAnywhere));
  ASSERT_FALSE(server.serve(listen_anywhere(), "given"));
  ASSERT_FALSE(server.listen_and_serve("local=unix:" + dir.file("socket")));
  ASSERT_EQ(server.addresses().size(), 3U);
  EXPECT_EQ(RawClient(server.addresses()[0]).get("/").body, "http");
  EXPECT_EQ(RawClient(server.addresses()[1]).get("/").body, "given");
  EXPECT_EQ(RawClient(server.addresses()[2]).get("/").body, "local");
  EXPECT_EQ(stats.sum("serve"), 3);
  EXPECT_FALSE(server.stop().failure);
  for (const std::string& address : {server.addresses()[0], server.addresses()[1]})
    EXPECT_TRUE(is_refused(address));
}

TEST_F(ServerApiTest, ManyServersLiveInOneProcess) {
  std::vector<std::unique_ptr<Server>> servers;
  for (int i = 0; i < 8; ++i) {
    servers.push_back(std::make_unique<Server>(options));
    servers.back()->handle(PlainHandler(
        [i](const Request&, ResponseWriter& response) { response.write(std::to_string(i)); }));
    serve_anywhere(*servers.back());
  }
  EXPECT_FALSE(servers[3]->stop().failure);
  for (int i = 0; i < 8; ++i) {
    if (i == 3) continue;
    EXPECT_EQ(RawClient(servers[static_cast<std::size_t>(i)]->addresses()[0]).get("/").body,
              std::to_string(i));
  }
}

TEST_F(ServerApiTest, ServingTouchesNoSignalOfTheProcess) {
  const auto actions = [] {
    std::vector<void (*)(int)> all;
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGQUIT}) {
      struct sigaction action {};
      ::sigaction(signal, nullptr, &action);
      all.push_back(action.sa_handler);
    }
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    EXPECT_EQ(::sigismember(&mask, SIGTERM), 0);
    return all;
  };
  const auto before = actions();
  Server server(options);
  server.handle(say_hello);
  RawClient client(serve_anywhere(server));
  EXPECT_EQ(client.get("/").body, "hello");
  EXPECT_EQ(actions(), before);
  EXPECT_FALSE(server.stop().failure);
  EXPECT_EQ(actions(), before);
}

TEST_F(ServerApiTest, ALogReaderThatLeavesKillsNobody) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  options.access_log = "/proc/self/fd/" + std::to_string(ends[1]);
  ASSERT_EQ(::signal(SIGPIPE, SIG_DFL), SIG_DFL);
  Server server(options);
  server.handle(say_hello);
  RawClient client(serve_anywhere(server));
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_EQ(client.get("/").body, "hello");
  EXPECT_EQ(server.stop().log_lines_lost, 1U);
}

TEST_F(ServerApiTest, AStopInAHandlerBeginsAndSaysThatItCannotWait) {
  Server server(options);
  std::optional<worker::Failure> failure;
  server.handle(
      PlainHandler([&](const Request&, ResponseWriter&) { failure = server.stop().failure; }));
  RawClient client(serve_anywhere(server));
  EXPECT_EQ(client.get("/").status, 200);
  EXPECT_FALSE(server.wait());
  EXPECT_FALSE(server.stop().failure);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, std::errc::resource_deadlock_would_occur);
  EXPECT_EQ(failure->message, "cannot stop: called on the server's own thread");
}

TEST_F(ServerApiTest, AStoppedServerTakesNoListener) {
  Server server(options);
  EXPECT_FALSE(server.stop().failure) << "it never served";
  const auto failure = server.listen_and_serve(kAnywhere);
  ASSERT_TRUE(failure);
  EXPECT_NE(failure->message.find("the server was stopped"), std::string::npos);
}

TEST_F(ServerApiTest, WhatCannotBeServedIsSaid) {
  Server server(options);
  const auto wrong = server.serve(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->code, std::errc::not_a_socket);
  const auto quiet = server.serve(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_TRUE(quiet);
  EXPECT_NE(quiet->message.find("the socket does not listen"), std::string::npos);
  ASSERT_FALSE(server.listen_and_serve(kAnywhere));
  const auto taken = server.listen_and_serve(server.addresses()[0]);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->message,
            "cannot listen on " + server.addresses()[0] + ": Address already in use");
  EXPECT_TRUE(server.listen_and_serve("nonsense"));
}

TEST_F(ServerApiTest, TheDestructorCutsWhatIsLeft) {
  HeldHandler held(10);
  auto server = std::make_unique<Server>(options);
  server->handle(held.handler());
  RawClient client(serve_anywhere(*server));
  client.send(get_request("/"));
  ASSERT_TRUE(held.wait_held());
  const auto began = Clock::now();
  server.reset();
  EXPECT_LT(Clock::now() - began, scaled(5s));
  EXPECT_THROW(client.read_response(), RawClientError);
}

TEST_F(ServerApiTest, ALateDoneOfAHandlerThatThrewEndsNoOtherRequest) {
  Server server(options);
  std::vector<Done> kept;
  HeldHandler held(10);
  const worker::Handler throwing = StreamHandler([&](const Request&, ResponseWriter&, Done done) {
    kept.push_back(done);
    throw std::runtime_error("before done");
  });
  const worker::Handler holding = held.handler();
  server.select([&](const Request& request) -> const worker::Handler& {
    return request.path() == "/throw" ? throwing : holding;
  });
  RawClient client(serve_anywhere(server));
  EXPECT_EQ(client.get("/throw").status, 500);
  client.send(get_request("/hold"));
  ASSERT_TRUE(held.wait_held());
  boost::asio::post(io_context(server), [&, end = held.take()] {
    kept.at(0)(nullptr);  // too late, and the exchange is another request's
    end();
  });
  EXPECT_EQ(client.read_response().body, std::string(10, 'x'));
  EXPECT_FALSE(server.stop().failure);
}

}  // namespace
}  // namespace holdfast::testing
