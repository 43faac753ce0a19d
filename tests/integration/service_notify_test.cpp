// What `holdfast run` tells the service manager that started it, datagram by datagram: a listener
// on NOTIFY_SOCKET stands for systemd. What a real one makes of them is in systemd_test.py.
#include <chrono>
#include <csignal>
#include <ctime>

#include <gtest/gtest.h>

#include "tests/integration/notify_listener.hpp"
#include "tests/integration/reserved_port.hpp"
#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

std::uint64_t monotonic_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

TEST(ServiceNotifyTest, StartReloadAndStopAreToldInOrder) {
  NotifyListener systemd;
  SupervisorRun run({.environment = systemd.environment()});
  const Notice ready = systemd.next();
  EXPECT_EQ(ready.get("READY"), "1") << ready.text;
  EXPECT_EQ(ready.get("MAINPID"), std::to_string(run.pid()));
  EXPECT_EQ(ready.sender, run.pid());
  EXPECT_EQ(RawClient(run.address()).get("/").status, 200) << "ready means that it serves";

  const std::uint64_t asked = monotonic_now();
  run.signal(SIGHUP);
  const Notice reloading = systemd.next();
  EXPECT_EQ(reloading.get("RELOADING"), "1") << reloading.text;
  const std::uint64_t began = std::stoull(reloading.get("MONOTONIC_USEC"));
  EXPECT_GE(began, asked) << "systemd takes an older one for that of another reload";
  EXPECT_LE(began, monotonic_now());
  const Notice reloaded = systemd.next();
  EXPECT_EQ(reloaded.get("READY"), "1") << reloaded.text;
  EXPECT_EQ(reloaded.get("STATUS"), "generation 2 serves");

  expect_clean_stop(run);
  const Notice stopping = systemd.next();
  EXPECT_EQ(stopping.get("STOPPING"), "1") << stopping.text;
  EXPECT_EQ(stopping.get("EXTEND_TIMEOUT_USEC"), "30000000");
  EXPECT_TRUE(systemd.silent_for(0ms)) << "STOPPING=1 is final";
}

TEST(ServiceNotifyTest, AFailedReloadEndsWithReadyAndItsReason) {
  NotifyListener systemd;
  const TempDir files;
  Releases releases(files);
  releases.add_good("good");
  releases.add("bad", "exit 3");
  releases.flip("good");
  SupervisorRun run({.command = {releases.command()}, .environment = systemd.environment()});
  run.wait_ready();
  systemd.next();
  releases.flip("bad");
  EXPECT_EQ(run.reload().name(), "reload_failed");
  EXPECT_EQ(systemd.next().get("RELOADING"), "1");
  const Notice verdict = systemd.next();
  EXPECT_EQ(verdict.get("READY"), "1") << verdict.text;
  EXPECT_NE(verdict.get("STATUS").find("reload to generation 2 failed"), std::string::npos);
  expect_clean_stop(run);
}

TEST(ServiceNotifyTest, TheWatchdogIsFedAtHalfItsTimeAndOnlyWhenItIsOurs) {
  NotifyListener systemd;
  SupervisorOptions options;
  options.environment = systemd.environment();
  options.environment["WATCHDOG_USEC"] = "200000";
  options.wrapper = {"/bin/sh", "-c", "export WATCHDOG_PID=$$; exec \"$@\"", "sh"};
  {
    SupervisorRun run(options);
    systemd.next_with("READY");
    const TimePoint begun = Clock::now();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(systemd.next_with("WATCHDOG").get("WATCHDOG"), "1");
    EXPECT_GE(Clock::now() - begun, 350ms) << "half of it, not as fast as it goes";
    EXPECT_LT(Clock::now() - begun, scaled(1'500ms));
    expect_clean_stop(run);
  }
  NotifyListener other;
  options.environment["NOTIFY_SOCKET"] = other.path();
  options.wrapper = {"/bin/sh", "-c", "export WATCHDOG_PID=1; exec \"$@\"", "sh"};
  SupervisorRun run(options);
  EXPECT_EQ(other.next().get("READY"), "1");
  EXPECT_TRUE(other.silent_for(400ms));
  expect_clean_stop(run);
}

TEST(ServiceNotifyTest, WorkersDoNotSeeTheManagersSocket) {
  NotifyListener systemd;
  SupervisorRun run({.environment = systemd.environment()});
  run.wait_ready();
  const auto variables = environment_of(run.worker_pid(1));
  EXPECT_FALSE(variables.contains("NOTIFY_SOCKET"));
  EXPECT_FALSE(variables.contains("WATCHDOG_USEC"));
  expect_clean_stop(run);
}

TEST(ServiceNotifyTest, AManagerThatReadsNothingHoldsUpNothing) {
  NotifyListener systemd;  // its queue takes a handful of datagrams (net.unix.max_dgram_qlen)
  SupervisorRun run({.environment = systemd.environment()});
  run.wait_ready();
  for (int i = 0; i < 12; ++i) ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(RawClient(run.address()).get("/").status, 200);
  // The last word arrives once it reads again.
  run.signal(SIGHUP);
  while (systemd.next_with("READY").get("STATUS") != "generation 14 serves") {
  }
  expect_clean_stop(run);
}

TEST(ServiceNotifyTest, ASocketThatIsNotThereIsNoReasonNotToRun) {
  for (const char* address : {"/nonexistent/socket", "relative", "vsock:2:1"}) {
    SupervisorRun run({.environment = {{"NOTIFY_SOCKET", address}}});
    run.wait_ready();
    EXPECT_EQ(RawClient(run.address()).get("/").status, 200);
    expect_clean_stop(run);
  }
}

// What systemd keeps it gives back as LISTEN_FDS, under the name that it was stored by.
SupervisorOptions restarted(const NotifyListener& systemd, const UniqueFd& kept,
                            const std::string& name, const std::string& listen) {
  SupervisorOptions options;
  options.listen = {listen};
  options.flags = {"--fdstore"};
  options.environment = systemd.environment();
  options.wrapper = {"/bin/bash", "-c",
                     "exec 3<&" + std::to_string(kept.get()) +
                         "; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=" + name +
                         "; exec \"$@\"",
                     "bash"};
  options.pass = {kept.get()};
  return options;
}

TEST(ServiceNotifyTest, WithFdstoreNoClientIsRefusedOverARestart) {
  NotifyListener systemd;
  SupervisorRun first({.flags = {"--fdstore"}, .environment = systemd.environment()});
  Notice stored = systemd.next_with("FDSTORE");
  EXPECT_EQ(stored.get("FDNAME"), "stored.http") << stored.text;
  EXPECT_EQ(stored.get("FDPOLL"), "0");
  ASSERT_EQ(stored.fds.size(), 1u);
  const std::string address = first.address();
  expect_clean_stop(first);
  RawClient between(address);
  between.send(get_request("/"));
  SupervisorRun second(restarted(systemd, stored.fds[0], "stored.http", address));
  second.wait_ready();
  EXPECT_EQ(second.address(), address);
  EXPECT_EQ(between.read_response().body, "Hello, world!");
  expect_clean_stop(second);
  EXPECT_FALSE(is_refused(address));
}

Notice what_a_run_stored(NotifyListener& systemd) {
  SupervisorRun run({.flags = {"--fdstore"}, .environment = systemd.environment()});
  Notice stored = systemd.next_with("FDSTORE");
  expect_clean_stop(run);
  return stored;
}

TEST(ServiceNotifyTest, AStoredListenerThatIsNotWantedAnyMoreIsNoErrorAndLeavesTheStore) {
  NotifyListener systemd;
  const Notice stored = what_a_run_stored(systemd);
  // Another name; and the same name with another address.
  const ReservedPort other;
  for (const std::string& wanted : {std::string("web=127.0.0.1:0"), "http=" + other.address()}) {
    SupervisorRun run(restarted(systemd, stored.fds[0], "stored.http", wanted));
    run.wait_ready();
    EXPECT_EQ(systemd.next_with("FDSTOREREMOVE").get("FDNAME"), "stored.http") << wanted;
    EXPECT_EQ(RawClient(run.address()).get("/").status, 200);
    expect_clean_stop(run);
  }
}

struct StoredListeners {
  void listen(const std::vector<std::string>& specs) {
    std::string text = "{\"probation\":\"0\",\"command\":[\"" + demo_path() + "\"],\"listen\":[";
    for (const std::string& spec : specs) text += (text.back() == '[' ? "\"" : ",\"") + spec + "\"";
    files.write("config.json", text + "]}");
  }
  SupervisorOptions options(const NotifyListener& systemd) const {
    return {.listen = {},
            .flags = {"--config", files.file("config.json"), "--fdstore"},
            .environment = systemd.environment()};
  }
  TempDir files;
};

TEST(ServiceNotifyTest, AListenerThatAReloadTakesAwayLeavesTheStoreAndIsClosed) {
  NotifyListener systemd;
  StoredListeners stored;
  stored.listen({"127.0.0.1:0", "extra=127.0.0.1:0"});
  SupervisorRun run(stored.options(systemd));
  const Notice http = systemd.next_with("FDSTORE");  // held as systemd does
  const Notice extra = systemd.next_with("FDSTORE");
  EXPECT_EQ(http.get("FDNAME"), "stored.http");
  EXPECT_EQ(extra.get("FDNAME"), "stored.extra");
  run.wait_ready();
  LoadClient of_removed(brisk_load(run.address(1)));
  of_removed.start();
  ASSERT_TRUE(of_removed.wait_for_requests(200));
  of_removed.expect_stop();
  stored.listen({"127.0.0.1:0"});
  ASSERT_EQ(run.reload().name(), "reload_done");
  const Notice removed = systemd.next_with("FDSTOREREMOVE");
  EXPECT_EQ(removed.get("FDNAME"), "stored.extra") << removed.text;
  expect_no_failure(of_removed.join());
  EXPECT_TRUE(eventually([&] { return is_refused(run.address(1)); }));

  stored.listen({"127.0.0.1:0", "extra=127.0.0.1:0"});
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(systemd.next_with("FDSTORE").get("FDNAME"), "stored.extra") << "a new one";
  expect_clean_stop(run);
  EXPECT_FALSE(is_refused(run.address(0))) << "it is kept over the restart";
}

TEST(ServiceNotifyTest, AStoredListenerOfARestartIsClosedToo) {
  NotifyListener systemd;
  const Notice kept = what_a_run_stored(systemd);
  StoredListeners stored;
  stored.listen({"127.0.0.1:0"});
  SupervisorOptions options = restarted(systemd, kept.fds[0], "stored.http", "");
  options.listen = {};
  options.flags = stored.options(systemd).flags;
  SupervisorRun second(options);
  second.wait_ready();
  const std::string address = second.address();
  stored.listen({"other=127.0.0.1:0"});
  ASSERT_EQ(second.reload().name(), "reload_done");
  EXPECT_EQ(systemd.next_with("FDSTOREREMOVE").get("FDNAME"), "stored.http");
  EXPECT_TRUE(eventually([&] { return is_refused(address); }));
  expect_clean_stop(second);
}

TEST(ServiceNotifyTest, ARenamedListenerIsStoredUnderItsNewName) {
  NotifyListener systemd;
  StoredListeners stored;
  const std::string address = "unix:" + stored.files.file("s");
  stored.listen({"old=" + address});
  SupervisorRun run(stored.options(systemd));
  EXPECT_EQ(systemd.next_with("FDSTORE").get("FDNAME"), "stored.old");
  stored.listen({"new=" + address});
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(systemd.next_with("FDSTOREREMOVE").get("FDNAME"), "stored.old");
  EXPECT_EQ(systemd.next_with("FDSTORE").get("FDNAME"), "stored.new");
  EXPECT_EQ(RawClient(address).get("/").generation(), 2);
  expect_clean_stop(run);
}

TEST(ServiceNotifyTest, WithoutFdstoreNothingIsStored) {
  NotifyListener systemd;
  SupervisorOptions options{.environment = systemd.environment()};
  options.environment["FDSTORE"] = "16";
  SupervisorRun run(options);
  run.wait_ready();
  EXPECT_EQ(systemd.next().get("READY"), "1");
  expect_clean_stop(run);
  EXPECT_EQ(systemd.next().get("STOPPING"), "1");
  EXPECT_TRUE(is_refused(run.address()));
}

}  // namespace
}  // namespace holdfast::testing
