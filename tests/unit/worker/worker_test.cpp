// Worker against a supervisor that this test plays, over a real channel.
#include "holdfast/worker/worker.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sstream>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "shared/io/bind_listener.hpp"
#include "shared/io/channel_end.hpp"
#include "shared/io/syscall.hpp"
#include "tests/support/temp_dir.hpp"

extern "C" int drive_worker_from_c(const char* log_path);

namespace holdfast::worker {
namespace {

using namespace std::chrono_literals;

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

UniqueFd connect_to(const std::string& address) {
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  return fd;
}

class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest() {
    auto pair = seqpacket_pair().value();
    supervisor_ = std::make_unique<ChannelEnd>(std::move(pair.second));
    ::setenv("HOLDFAST_CHANNEL_FD", std::to_string(pair.first.release()).c_str(), 1);
    bound_ = bind_listener(parse_listen_address("127.0.0.1:0").value()).value();
  }
  ~WorkerTest() override { ::unsetenv("HOLDFAST_CHANNEL_FD"); }

  void welcome(WorkerOptions options = {}) {
    Welcome message;
    message.generation = GenerationId{3};
    message.worker = WorkerId{7};
    message.listeners = {{"api", bound_.address}};
    message.fds = {"access_log"};
    message.options = options;
    std::vector<UniqueFd> fds;
    fds.push_back(duplicate(bound_.fd.get()).value());
    fds.push_back(open_file(log_path_, O_WRONLY | O_APPEND | O_CREAT).value());
    supervisor_->send(message, std::move(fds));
  }

  Worker& start(WorkerOptions options = {}, WorkerSettings settings = {}) {
    welcome(options);
    worker_ = std::make_unique<Worker>(std::move(settings));
    worker_->on_accept([this] { did_ += "accept "; });
    worker_->on_pause([this] { did_ += "pause "; });
    worker_->on_close_listeners([this](bool queued) {
      did_ += queued ? "close-queued " : "close ";
      ::close(worker_->listeners().front().fd);
    });
    worker_->on_drain(
        [this](std::string_view reason, auto) { did_ += "drain-" + std::string(reason) + " "; });
    worker_->on_cut([this] { did_ += "cut "; });
    return *worker_;
  }

  // As a poll loop does, until nothing is left to do.
  void turn() {
    pollfd wait{worker_->fd(), POLLIN, 0};
    while (::poll(&wait, 1, 0) > 0 && worker_->dispatch()) {
    }
  }
  // Until the worker is finished.
  void end() {
    pollfd wait{worker_->fd(), POLLIN, 0};
    while (worker_->dispatch()) ASSERT_EQ(::poll(&wait, 1, 10'000), 1) << heard();
  }

  // The types of what the worker has said since the last call; the messages are kept.
  std::string heard() {
    std::string types;
    for (;;) {
      auto received = supervisor_->receive();
      if (!received || received->kind != Received::Kind::Message) return types;
      types += std::string(type_name(received->message)) + " ";
      said_.push_back(received->message);
    }
  }
  template <typename Message>
  const Message& last() {
    heard();
    for (auto each = said_.rbegin(); each != said_.rend(); ++each) {
      if (const auto* found = std::get_if<Message>(&*each)) return *found;
    }
    throw std::runtime_error("it did not say that");
  }
  std::string did() { return std::exchange(did_, ""); }

  Worker& serving(WorkerOptions options = {}, WorkerSettings settings = {}) {
    Worker& worker = start(options, std::move(settings));
    worker.ready();
    turn();
    supervisor_->send(Accept{});
    turn();
    EXPECT_EQ(heard(), "hello ready accepting ");
    EXPECT_EQ(did(), "accept ");
    return worker;
  }

  holdfast::testing::TempDir files_;
  std::string log_path_ = files_.file("access.log");
  BoundListener bound_;
  std::unique_ptr<ChannelEnd> supervisor_;
  std::unique_ptr<Worker> worker_;
  std::vector<ControlMessage> said_;
  std::string did_;
};

TEST_F(WorkerTest, ALameDuckIsToldAndEveryResponseShouldSayCloseWhileItAccepts) {
  Worker& worker = start();
  worker.on_lame_duck([this] { did_ += "lame-duck "; });
  worker.ready();
  turn();
  supervisor_->send(Accept{});
  turn();
  Worker::Connection connection = worker.connections().open();
  EXPECT_FALSE(connection.should_close());
  supervisor_->send(LameDuck{});
  turn();
  EXPECT_EQ(did(), "accept lame-duck ");
  EXPECT_TRUE(connection.should_close());
  EXPECT_FALSE(worker.connections().draining());
}

TEST_F(WorkerTest, StopTimeoutIsTheEndForAServerOfItsOwn) {
  Worker& worker = serving();
  const Worker::Connection connection = worker.connections().open();
  supervisor_->send(Drain{DrainReason::Reload, Millis{50}, IdlePolicy::Close, Millis{600'000}});
  end();
  EXPECT_EQ(did(), "drain-reload close cut ");
}

TEST_F(WorkerTest, ItHasItsListenersFromTheSupervisorAndTheVariableIsGone) {
  const Worker& worker = start();
  ASSERT_EQ(worker.listeners().size(), 1u);
  EXPECT_EQ(worker.listeners()[0].name, "api");
  EXPECT_EQ(worker.listeners()[0].address, bound_.address);
  EXPECT_NE(::fcntl(worker.listeners()[0].fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(worker.listeners()[0].fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(worker.generation(), 3u);
  EXPECT_EQ(worker.worker(), 7u);
  EXPECT_TRUE(worker.supervised());
  EXPECT_EQ(std::getenv("HOLDFAST_CHANNEL_FD"), nullptr);
  EXPECT_EQ(last<Hello>().pid, ::getpid());
}

TEST_F(WorkerTest, NothingIsAcceptedBeforeReadyAndTheWordOfTheSupervisor) {
  Worker& worker = start();
  turn();
  EXPECT_EQ(heard(), "hello ");
  worker.ready();
  turn();
  EXPECT_EQ(heard(), "ready ");
  EXPECT_EQ(did(), "");
  supervisor_->send(Accept{});
  turn();
  EXPECT_EQ(did(), "accept ");
  EXPECT_EQ(heard(), "accepting ");
}

TEST_F(WorkerTest, PausedItAcceptsAgainWhenTold) {
  serving();
  supervisor_->send(Pause{});
  turn();
  EXPECT_EQ(did(), "pause ");
  EXPECT_EQ(heard(), "paused ");
  supervisor_->send(Accept{});
  turn();
  EXPECT_EQ(did(), "accept ");
  EXPECT_EQ(heard(), "accepting ");
}

TEST_F(WorkerTest, AReloadsDrainEndsWithTheLastConnection) {
  Worker& worker = serving();
  auto connection = worker.connections().open();
  connection.active();
  supervisor_->send(Pause{});
  supervisor_->send(Drain{DrainReason::Reload, Millis{5'000}});
  turn();
  EXPECT_EQ(did(), "pause drain-reload close ");
  EXPECT_EQ(heard(), "paused draining stats ");
  EXPECT_EQ(last<Stats>().in_flight, 1u);
  EXPECT_TRUE(connection.should_close());
  worker.answered(200);
  connection.closed();
  EXPECT_EQ(worker.wait(), 0);
  EXPECT_EQ(last<Drained>().served, 1u);
  EXPECT_EQ(last<Drained>().cut, 0u);
}

TEST_F(WorkerTest, AConnectionAcceptedJustBeforeTheListenersClosedIsStillCounted) {
  Worker& worker = serving();
  supervisor_->send(Drain{DrainReason::Reload, Millis{5'000}});
  ASSERT_TRUE(worker.dispatch()) << "the loop may hold an accepted connection";
  auto late = worker.connections().open();
  turn();
  EXPECT_EQ(heard().find("drained"), std::string::npos);
  late.closed();
  end();
  EXPECT_EQ(heard(), "drained ");
}

TEST_F(WorkerTest, AFullStopAcceptsUntilTheListenersAreToCloseAndThenWhatIsQueued) {
  Worker& worker = serving();
  supervisor_->send(Drain{DrainReason::Shutdown, Millis{5'000}});
  turn();
  EXPECT_EQ(did(), "drain-shutdown ");
  const UniqueFd client = connect_to(bound_.address);
  std::vector<ConnectionTracker::Connection> accepted;
  worker.on_close_listeners([&](bool queued) {
    EXPECT_TRUE(queued);
    for (int fd = -1; (fd = Worker::accept(worker.listeners()[0].fd)) >= 0; ::close(fd))
      accepted.push_back(worker.connections().open());
    ::close(worker.listeners()[0].fd);
  });
  supervisor_->send(CloseListeners{});
  turn();
  EXPECT_EQ(accepted.size(), 1u);
  EXPECT_EQ(heard(), "draining stats listeners_closed ");
  accepted.clear();
  end();
  EXPECT_EQ(heard(), "drained ");
}

TEST_F(WorkerTest, WithABookOfItsOwnTheServiceSaysWhenItHasDrained) {
  Worker& worker = serving({}, {.track_connections = false});
  supervisor_->send(Drain{DrainReason::Reload, Millis{5'000}});
  turn();
  EXPECT_EQ(heard(), "draining stats ");
  worker.drained({.served = 5, .closed_idle = 6, .cut = 7});
  end();
  EXPECT_EQ(last<Drained>().served, 5u);
  EXPECT_EQ(last<Drained>().closed_idle, 6u);
  EXPECT_EQ(last<Drained>().cut, 7u);
}

TEST_F(WorkerTest, TheDeadlineCutsCountsAndEnds) {
  Worker& worker = serving();
  auto connection = worker.connections().open();
  connection.active();
  supervisor_->send(Drain{DrainReason::Reload, Millis{30}});
  end();
  EXPECT_EQ(did(), "drain-reload close cut ");
  EXPECT_EQ(last<Drained>().cut, 1u);
  EXPECT_EQ(worker.wait(), 0);
}

TEST_F(WorkerTest, IdleConnectionsLeaveByTheSupervisorsGrace) {
  Worker& worker = serving({.idle_grace = Millis{20}});
  const UniqueFd client = connect_to(bound_.address);
  const UniqueFd server(Worker::accept(worker.listeners()[0].fd));
  auto connection = worker.connections().open(server.get());
  connection.active();
  connection.idle();
  supervisor_->send(Drain{DrainReason::Reload, Millis{10'000}});
  std::thread service([&] {
    pollfd wait{server.get(), POLLIN, 0};
    char byte = 0;
    if (::poll(&wait, 1, 5'000) == 1 && ::recv(server.get(), &byte, 1, 0) == 0) connection.closed();
  });
  end();
  service.join();
  EXPECT_EQ(last<Drained>().closed_idle, 1u);
}

TEST_F(WorkerTest, IdleConnectionsLeaveOneAfterAnotherAtAReload) {
  Worker& worker = serving({.idle_grace = Millis{20}, .idle_spread = Millis{60'000}});
  const UniqueFd client = connect_to(bound_.address);
  const UniqueFd server(Worker::accept(worker.listeners()[0].fd));
  std::vector<Worker::Connection> idle;
  for (int i = 0; i < 2'000; ++i) {
    idle.push_back(worker.connections().open(server.get()));
    idle.back().active();
    idle.back().idle();
  }
  supervisor_->send(Drain{DrainReason::Reload, Millis{60'000}});
  pollfd wait{worker.fd(), POLLIN, 0};
  while (worker.connections().counts().closed_idle == 0) {
    ASSERT_EQ(::poll(&wait, 1, 10'000), 1);
    ASSERT_TRUE(worker.dispatch());
  }
  EXPECT_LT(worker.connections().counts().closed_idle, 1'000u) << "of 2,000 over 2 s";
  idle.clear();
  end();
}

TEST_F(WorkerTest, PingAndStatsAreAnswered) {
  Worker& worker = serving();
  auto one = worker.connections().open();
  auto two = worker.connections().open();
  two.active();
  worker.answered(200);
  worker.answered(503);
  supervisor_->send(Ping{});
  supervisor_->send(StatsRequest{});
  turn();
  EXPECT_EQ(heard(), "pong stats ");
  EXPECT_EQ(
      last<Stats>(),
      (Stats{.connections = 2, .idle = 1, .in_flight = 1, .requests = 2, .responses_5xx = 1}));
}

TEST_F(WorkerTest, StatsAreSentWithinASecondOfAChangeAndNotWithoutOne) {
  Worker& worker = serving();
  auto one = worker.connections().open();
  worker.dispatch();
  pollfd wait{worker.fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&wait, 1, 5'000), 1);
  turn();
  EXPECT_EQ(heard(), "stats ");
  EXPECT_EQ(::poll(&wait, 1, 1'200), 0) << "woken for nothing";
}

TEST_F(WorkerTest, AnOrphanServesOnAndDrainsAfterItsTimeout) {
  serving({.orphan_timeout = Millis{50}});
  supervisor_->send(Pause{});
  turn();
  EXPECT_EQ(did(), "pause ");
  supervisor_.reset();
  turn();
  EXPECT_EQ(did(), "accept ");
  pollfd wait{worker_->fd(), POLLIN, 0};
  while (worker_->dispatch()) ASSERT_EQ(::poll(&wait, 1, 10'000), 1);
  EXPECT_EQ(did(), "drain-orphaned close-queued ");
  EXPECT_EQ(worker_->wait(), 0);
}

TEST_F(WorkerTest, ASupervisorThatLeavesBeforeItHasServedEndsItWithOne) {
  Worker& worker = start();
  worker.ready();
  turn();
  supervisor_.reset();
  EXPECT_EQ(worker.wait(), 1);
  EXPECT_EQ(did(), "");
}

TEST_F(WorkerTest, NoWelcomeIsAnError) {
  supervisor_.reset();
  EXPECT_THROW(Worker(), std::runtime_error);
}

TEST_F(WorkerTest, TermDrainsAsTheOperatorsWish) {
  serving();
  ASSERT_EQ(::raise(SIGTERM), 0);
  end();
  EXPECT_EQ(did(), "drain-operator close ");
  EXPECT_EQ(last<Draining>().reason, DrainReason::Operator);
}

TEST_F(WorkerTest, AHandlerOfTheServicesOwnIsLeftAlone) {
  static volatile sig_atomic_t seen = 0;
  struct sigaction ours {};
  struct sigaction before {};
  ours.sa_handler = [](int) { seen = seen + 1; };
  ::sigaction(SIGTERM, &ours, &before);
  Worker& worker = serving();
  ASSERT_EQ(::raise(SIGTERM), 0);
  turn();
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(did(), "");
  worker.drain();
  end();
  EXPECT_EQ(did(), "drain-operator close ");
  worker_.reset();
  ::sigaction(SIGTERM, &before, nullptr);
}

TEST_F(WorkerTest, EachLoggedRequestIsALineOfTheSchema) {
  Worker& worker = serving();
  EXPECT_TRUE(worker.logs());
  const std::pair<std::string_view, std::string_view> field{"tenant", "a\"b"};
  worker.log({.method = "GET",
              .url = "/\xff\n",
              .host = "example.org",
              .status = 503,
              .response_size = 4,
              .remote_address = "192.0.2.7",
              .remote_port = 4711,
              .request_id = "good-1",
              .listener = "api",
              .connection = 9,
              .connection_requests = 2,
              .completion = "handler_error",
              .fields = std::span(&field, 1)});
  worker.log({.method = "GET", .url = "/", .status = 200, .request_id = "bad id"});
  worker.drain();
  end();
  std::istringstream lines(contents(log_path_));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const auto first = nlohmann::json::parse(line);
  EXPECT_EQ(first["url"], "/\xEF\xBF\xBD\n");
  EXPECT_EQ(first["severity"], "error");
  EXPECT_EQ(first["conn_id"], "3-7-9");
  EXPECT_EQ(first["request_id"], "good-1");
  EXPECT_EQ(first["completion"], "handler_error");
  EXPECT_EQ(first["tenant"], "a\"b");
  EXPECT_EQ(first["generation"], 3);
  ASSERT_TRUE(std::getline(lines, line));
  const auto second = nlohmann::json::parse(line);
  EXPECT_EQ(second["request_id"].get<std::string>().size(), 32u);
  EXPECT_EQ(second["completion"], "ok");
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(WorkerTest, LinesAreFlushedEachSecondAndGoToAReopenedLog) {
  Worker& worker = serving();
  worker.log({.method = "GET", .url = "/one", .status = 200});
  pollfd wait{worker.fd(), POLLIN, 0};
  for (int i = 0; i < 20 && contents(log_path_).empty(); ++i) {
    ASSERT_EQ(::poll(&wait, 1, 5'000), 1);
    worker.dispatch();
  }
  EXPECT_NE(contents(log_path_).find("/one"), std::string::npos);
  std::vector<UniqueFd> fds;
  const std::string fresh = files_.file("fresh.log");
  fds.push_back(open_file(fresh, O_WRONLY | O_APPEND | O_CREAT).value());
  supervisor_->send(ReopenLogs{{"access_log"}}, std::move(fds));
  turn();
  worker.log({.method = "GET", .url = "/two", .status = 200});
  worker.drain();
  end();
  EXPECT_NE(contents(fresh).find("/two"), std::string::npos);
  EXPECT_EQ(contents(log_path_).find("/two"), std::string::npos);
}

TEST_F(WorkerTest, AThreadOfItsOwnDoesTheSame) {
  Worker& worker = start();
  std::atomic<int> accepted = 0;
  worker.on_accept([&] { ++accepted; });
  worker.start_thread();
  worker.ready();
  supervisor_->send(Accept{});
  worker.drain();
  EXPECT_EQ(worker.wait(), 0);
  EXPECT_NE(heard().find("drained"), std::string::npos);
}

TEST_F(WorkerTest, AnAbandonedOneEndsItsThread) {
  start().start_thread();
  worker_.reset();
}

class AloneTest : public ::testing::Test {
 protected:
  holdfast::testing::TempDir files_;
};

TEST_F(AloneTest, ItBindsAcceptsAtOnceAndEmptiesItsQueueAtTerm) {
  Worker worker({.listen = {"a=127.0.0.1:0", "b=127.0.0.1:0"}, .access_log = "off"});
  EXPECT_FALSE(worker.supervised());
  EXPECT_FALSE(worker.logs());
  ASSERT_EQ(worker.listeners().size(), 2u);
  EXPECT_EQ(worker.listeners()[1].name, "b");
  std::string did;
  worker.on_accept([&] { did += "accept "; });
  worker.on_close_listeners([&](bool queued) {
    did += queued ? "close-queued " : "close ";
    for (const auto& each : worker.listeners()) ::close(each.fd);
  });
  worker.ready();
  worker.dispatch();
  EXPECT_EQ(did, "accept ");
  ASSERT_EQ(::raise(SIGTERM), 0);
  EXPECT_EQ(worker.wait(), 0);
  EXPECT_EQ(did, "accept close-queued ");
}

TEST_F(AloneTest, WhatItCannotBindIsNamed) {
  try {
    Worker worker({.listen = {"unix:/no/such/folder/s"}, .access_log = "off"});
    ADD_FAILURE() << "bound";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("cannot"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("/no/such/folder/s"), std::string::npos);
  }
}

TEST_F(AloneTest, ASecondTermCuts) {
  Worker worker({.listen = {"127.0.0.1:0"}, .access_log = "off"});
  worker.on_close_listeners([&](bool) { ::close(worker.listeners()[0].fd); });
  bool cut = false;
  worker.on_cut([&] { cut = true; });
  worker.ready();
  worker.dispatch();
  auto connection = worker.connections().open();
  ::raise(SIGTERM);
  EXPECT_TRUE(worker.dispatch());
  EXPECT_FALSE(cut);
  ::raise(SIGTERM);
  EXPECT_EQ(worker.wait(), 0);
  EXPECT_TRUE(cut);
}

TEST_F(AloneTest, TheHeaderIsCAndItsCallsDoTheSame) {
  const std::string log = files_.file("access.log");
  EXPECT_EQ(drive_worker_from_c(log.c_str()), 0) << "line of worker_h_test.c";
  EXPECT_EQ(nlohmann::json::parse(contents(log))["http_method"], "GET");
}

}  // namespace
}  // namespace holdfast::worker
