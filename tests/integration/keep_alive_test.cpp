// What a response tells of how long its connection may be idle, and a client that listens to it.
#include <gtest/gtest.h>

#include "tests/integration/http_fixture.hpp"

namespace holdfast::testing {
namespace {

TEST_F(HttpTest, AResponseSaysHowLongItsConnectionMayBeIdle) {
  RawClient client(address);
  const Response first = client.get("/");
  EXPECT_EQ(first.header("connection"), "keep-alive");
  EXPECT_EQ(first.header("keep-alive"), "timeout=70");
  const Response streamed = client.get("/stream?chunks=2&interval=0ms");
  EXPECT_EQ(streamed.header("keep-alive"), "timeout=70");
  const Response last = client.get("/", "Connection: close\r\n");
  EXPECT_TRUE(last.says_close());
  EXPECT_EQ(last.header("keep-alive"), "");
}

class HintedHttpTest : public HttpTest {
 protected:
  HintedHttpTest() : HttpTest({.command = {demo_path(), "--keep-alive-hint", "2s"}}) {}
};

TEST_F(HintedHttpTest, AnAgentOfNodesLeavesBeforeTheServerWould) {
  if (run_command({"sh", "-c", "node -e 0"}).status != exited(0)) GTEST_SKIP() << "no node";
  EXPECT_EQ(RawClient(address).get("/").header("keep-alive"), "timeout=2");
  const auto result = run_command({"node", KEEP_ALIVE_CLIENT, "http://" + address + "/"});
  EXPECT_EQ(result.status, exited(0)) << result.err;
  EXPECT_EQ(result.out, "client\n");
}

class MuteHttpTest : public HttpTest {
 protected:
  MuteHttpTest()
      : HttpTest(
            {.command = {demo_path(), "--keep-alive-hint", "0ms", "--keep-alive-timeout", "1s"}}) {}
};

TEST_F(MuteHttpTest, AnAgentOfNodesThatIsToldNothingIsClosedByTheServer) {
  if (run_command({"sh", "-c", "node -e 0"}).status != exited(0)) GTEST_SKIP() << "no node";
  EXPECT_EQ(RawClient(address).get("/").header("keep-alive"), "");
  const auto result = run_command({"node", KEEP_ALIVE_CLIENT, "http://" + address + "/"});
  EXPECT_EQ(result.out, "server\n") << result.err;
}

}  // namespace
}  // namespace holdfast::testing
