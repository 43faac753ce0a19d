// Sockets that systemd, or whoever plays its part, gives to `holdfast run`: they outlive it, and
// who waits in their queue is answered by the next instance.
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include <gtest/gtest.h>

#include "shared/io/bind_listener.hpp"
#include "tests/integration/reserved_port.hpp"
#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

BoundListener bind_here(const std::string& address) {
  return bind_listener(parse_listen_address(address).value()).value();
}

// As systemd starts a service with one socket.
SupervisorOptions given(const BoundListener& socket, const std::string& listen,
                        const std::string& name = "web") {
  const std::string take = "exec 3<&" + std::to_string(socket.fd.get()) +
                           "; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=" + name +
                           "; exec \"$@\"";
  return {.listen = {listen},
          .workers = "2",
          .wrapper = {"/bin/bash", "-c", take, "bash"},
          .pass = {socket.fd.get()}};
}

void expect_kept_over_two_instances(const BoundListener& socket) {
  LoadClient load(brisk_load(socket.address));
  SupervisorRun first(given(socket, "web=127.0.0.1:1"));
  first.wait_ready();
  EXPECT_EQ(first.address(), socket.address);
  load.start();
  ASSERT_TRUE(load.wait_for_requests(500));
  expect_clean_stop(first);
  RawClient between(socket.address);
  between.send(get_request("/"));
  SupervisorRun second(given(socket, "web=127.0.0.1:1"));
  second.wait_ready();
  EXPECT_EQ(between.read_response().body, "Hello, world!");
  ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 500));
  const LoadResult result = load.finish();
  expect_no_failure(result);
  expect_clean_stop(second);
  EXPECT_GE(first.log().size() + second.log().size(), result.total().ok + 1);
  EXPECT_FALSE(is_refused(socket.address)) << "it is not ours to shut";
}

TEST(InheritedListenersTest, ATcpSocketOutlivesTheInstanceAndItsQueueIsTheNextOnes) {
  expect_kept_over_two_instances(bind_here("127.0.0.1:0"));
}

TEST(InheritedListenersTest, AUnixSocketOutlivesTheInstanceAndItsPathStays) {
  const TempDir files;
  expect_kept_over_two_instances(bind_here("unix:" + files.file("s")));
  EXPECT_TRUE(std::filesystem::exists(files.file("s")));
}

TEST(InheritedListenersTest, ASocketWithoutAKnownNameIsFoundByItsAddress) {
  const BoundListener socket = bind_here("127.0.0.1:0");
  SupervisorRun run(given(socket, socket.address, "shop.socket"));
  run.wait_ready();
  EXPECT_EQ(RawClient(socket.address).get("/").status, 200);
  const Event started = run.wait("started");
  EXPECT_EQ(started.fields["listeners"][0].value("inherited", false), true);
  expect_clean_stop(run);
}

TEST(InheritedListenersTest, ASocketThatNoListenNamesIsAnError) {
  const BoundListener socket = bind_here("127.0.0.1:0");
  SupervisorRun run(given(socket, "api=127.0.0.1:0"));
  EXPECT_EQ(run.wait_exit(), exited(6));
  ASSERT_EQ(run.events().text().size(), 1u);
  EXPECT_EQ(run.events().text()[0], "holdfast: cannot use the socket web=" + socket.address +
                                        " of LISTEN_FDS: no --listen names it");
}

TEST(InheritedListenersTest, SocketsForAnotherProcessAreNotTouched) {
  const BoundListener socket = bind_here("127.0.0.1:0");
  SupervisorOptions options = given(socket, "127.0.0.1:0");
  options.wrapper[2] = "export LISTEN_PID=1 LISTEN_FDS=1; exec \"$@\"";
  SupervisorRun run(options);
  run.wait_ready();
  EXPECT_NE(run.address(), socket.address);
  expect_clean_stop(run);
}

// LISTEN_PIDFDID, of systemd 259: a pid alone may be somebody else's from before.
TEST(InheritedListenersTest, SocketsForAnEarlierProcessOfTheSamePidAreNotTouched) {
  const BoundListener socket = bind_here("127.0.0.1:0");
  for (const char* offset : {"0", "1"}) {
    SupervisorOptions options = given(socket, "web=127.0.0.1:0");
    options.wrapper.insert(options.wrapper.end(),
                           {"/usr/bin/python3", "-c",
                            "import os, sys; os.environ['LISTEN_PIDFDID'] = "
                            "str(os.fstat(os.pidfd_open(os.getpid())).st_ino + int(sys.argv[1])); "
                            "os.set_inheritable(3, True); os.execvp(sys.argv[2], sys.argv[2:])",
                            offset});
    SupervisorRun run(options);
    run.wait_ready();
    EXPECT_EQ(run.address() == socket.address, offset == std::string("0"));
    expect_clean_stop(run);
  }
}

// The real thing: systemd-socket-activate binds, and starts a script at the first connection. The
// script is what systemd does with a service that is stopped and started again.
TEST(InheritedListenersTest, UnderSystemdSocketActivateNoClientNoticesARestart) {
  const ReservedPort port;
  const std::string address = port.address();
  const TempDir files;
  const std::string instance =
      "(export LISTEN_PID=$BASHPID; exec \"$@\")";  // each is a process of its own
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EventReader events{UniqueFd(ends[0])};
  UniqueFd theirs(ends[1]);
  const ChildProcess systemd({.argv = {"systemd-socket-activate",
                                       "-l",
                                       address,
                                       "--fdname=http",
                                       "/bin/bash",
                                       "-c",
                                       instance + "; " + instance,
                                       "bash",
                                       holdfast_path(),
                                       "run",
                                       "--name",
                                       "activated-" + std::to_string(::getpid()),
                                       "--listen",
                                       "127.0.0.1:1",
                                       "--workers",
                                       "2",
                                       "--access-log",
                                       files.file("log"),
                                       "--",
                                       demo_path()},
                              .err = theirs.get()});
  theirs.reset();
  ASSERT_TRUE(eventually([&] { return !is_refused(address); }, kCap));
  LoadClient load(brisk_load(address));
  load.start();
  std::size_t from = 0;
  for (int round = 0; round < 2; ++round) {
    const auto wait = [&](const std::string& name) {
      const auto event = events.wait([&](const Event& e) { return e.name() == name; }, from);
      if (!event) throw std::runtime_error("no " + name + "\n" + events.dump());
      from = event->index + 1;
      return *event;
    };
    const auto pid = static_cast<pid_t>(wait("started").number("pid"));
    wait("serving");
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 500));
    if (round == 1) expect_no_failure(load.finish());
    ASSERT_EQ(::kill(pid, SIGTERM), 0);
    const Event stopped = wait("stopped");
    EXPECT_EQ(stopped.number("cut") + stopped.number("killed"), 0) << stopped.fields;
  }
}

}  // namespace
}  // namespace holdfast::testing
