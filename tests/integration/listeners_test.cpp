// Every kind of address is bound once, served by every generation and gone at the end.
#include <chrono>
#include <csignal>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

bool has_ipv6() { return !read_text("/proc/net/if_inet6").empty(); }

std::string port_of(const std::string& address) { return address.substr(address.rfind(':') + 1); }

void expect_served_before_and_after_a_reload(SupervisorRun& run, const std::string& address) {
  EXPECT_EQ(RawClient(address).get("/").generation(), 1);
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(RawClient(address).get("/").generation(), 2);
  EXPECT_EQ(run.address(), address) << "the address changed";
  expect_clean_stop(run);
  EXPECT_TRUE(is_refused(address));
}

TEST(ListenersTest, Ipv4) {
  SupervisorRun run;
  run.wait_ready();
  expect_served_before_and_after_a_reload(run, run.address());
}

TEST(ListenersTest, Ipv6) {
  if (!has_ipv6()) GTEST_SKIP() << "no IPv6 here";
  SupervisorRun run({.listen = {"[::1]:0"}});
  run.wait_ready();
  expect_served_before_and_after_a_reload(run, run.address());
  EXPECT_EQ(run.log().count("remote_ipaddr", "::1"), 2u);
}

TEST(ListenersTest, UnixPath) {
  const TempDir files;
  SupervisorRun run({.listen = {"unix:" + files.file("s") + ",mode=0600"}});
  run.wait_ready();
  struct stat info {};
  ASSERT_EQ(::stat(files.file("s").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  expect_served_before_and_after_a_reload(run, "unix:" + files.file("s"));
  EXPECT_EQ(run.log().count("remote_ipaddr", "unix:"), 2u);
}

TEST(ListenersTest, UnixAbstract) {
  const std::string address = "unix:@holdfast-test-" + std::to_string(::getpid());
  SupervisorRun run({.listen = {address}});
  run.wait_ready();
  expect_served_before_and_after_a_reload(run, address);
}

TEST(ListenersTest, DualStackServesBothFamiliesAndLogsIpv4AsIpv4) {
  SupervisorRun run({.listen = {":0"}});
  run.wait_ready();
  const std::string port = port_of(run.address());
  EXPECT_EQ(RawClient("127.0.0.1:" + port).get("/").status, 200);
  if (has_ipv6()) {
    EXPECT_EQ(RawClient("[::1]:" + port).get("/").status, 200);
  }
  expect_clean_stop(run);
  EXPECT_EQ(run.log().count("remote_ipaddr", "127.0.0.1"), 1u);
}

TEST(ListenersTest, SeveralAreToldApartByName) {
  SupervisorRun run({.listen = {"shop=127.0.0.1:0", "admin=127.0.0.1:0"}});
  run.wait_ready();
  ASSERT_NE(run.address(0), run.address(1));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(RawClient(run.address(0)).get("/").status, 200);
  EXPECT_EQ(RawClient(run.address(1)).get("/").status, 200);
  expect_clean_stop(run);
  EXPECT_EQ(run.log().count("listener", "shop"), 3u);
  EXPECT_EQ(run.log().count("listener", "admin"), 1u);
}

TEST(ListenersTest, NoClientOfAUnixSocketNoticesReloads) {
  const TempDir files;
  SupervisorRun run({.listen = {"unix:" + files.file("s")}, .workers = "2"});
  run.wait_ready();
  LoadClient load(mixed_load("unix:" + files.file("s")));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(run.reload().name(), "reload_done");
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 100));
  }
  const LoadResult result = load.finish();
  expect_no_failure(result);
  expect_clean_stop(run);
  expect_all_logged(run.log(), result);
}

TEST(ListenersTest, NoAcceptedClientOfAUnixSocketIsLostAtAStop) {
  for (int i = 0; i < rounds("HOLDFAST_TEST_STOPS", 10); ++i) {
    const TempDir files;
    SupervisorRun run({.listen = {"unix:" + files.file("s")}, .workers = "2"});
    run.wait_ready();
    LoadClient load(brisk_load("unix:" + files.file("s")));
    load.start();
    ASSERT_TRUE(load.wait_for_requests(500));
    load.expect_stop();
    expect_clean_stop(run);
    const LoadResult result = load.finish();
    expect_no_failure(result);
    expect_all_logged(run.log(), result);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "at stop " << i + 1;
  }
}

}  // namespace
}  // namespace holdfast::testing
