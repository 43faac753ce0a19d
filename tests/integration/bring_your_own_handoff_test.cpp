// --idle handoff with servers that are not ours: beast_server gives and takes connections, the
// others take no part and let theirs go as with --idle close.
#include <chrono>

#include "tests/integration/handoff_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

void expect_served_by(const Response& response, int generation) {
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.generation(), generation);
  EXPECT_FALSE(response.says_close());
}

std::int64_t sum(const SupervisorRun& run, const char* field) {
  std::int64_t all = 0;
  for (const Event& e : run.all("drained")) all += e.number(field);
  return all;
}

// Both accepted: one between requests, one in the middle of a head.
struct IdleAndHalf {
  explicit IdleAndHalf(const std::string& address) : idle(address), half(address) {
    half.send("GET / HTTP/1.1\r\nHo");
    idle.get("/");
  }
  RawClient idle;
  RawClient half;
};

TEST(BringYourOwnHandoffTest, IdleSilentAndHalfSentGoOnInTheNextGeneration) {
  SupervisorRun run(with_handoff(
      {.flags = {"--idle-grace", "0s", "--new-grace", "0s"}, .command = {BEAST_SERVER}}));
  const std::string address = run.wait_ready().address();
  RawClient idle(address);
  idle.get("/");
  RawClient silent(address);
  RawClient half(address);
  half.send("GET / HTTP/1.1\r\nHo");
  RawClient second(address);
  second.get("/");
  second.send("G");
  idle.get("/");  // so all are accepted
  const int reloads = rounds("HOLDFAST_TEST_RELOADS", 3);
  for (int i = 0; i < reloads; ++i) {
    ASSERT_EQ(run.reload().name(), "reload_done");
    wait_all_moved(run);
    expect_served_by(idle.get("/"), i + 2);
  }
  half.send("st: test\r\n\r\n");
  second.send("ET / HTTP/1.1\r\nHost: test\r\n\r\n");
  expect_served_by(half.read_response(), reloads + 1);
  expect_served_by(second.read_response(), reloads + 1);
  expect_served_by(silent.get("/"), reloads + 1);
  EXPECT_EQ(sum(run, "handed_off"), 4 * reloads);
  EXPECT_EQ(sum(run, "closed_idle"), 0);
  expect_clean_stop(run);
}

TEST(BringYourOwnHandoffTest, ARequestInFlightIsAnsweredWhereItBeganAndThenItsConnectionMoves) {
  SupervisorRun run(with_handoff({.command = {BEAST_SERVER}}));
  const std::string address = run.wait_ready().address();
  RawClient upload(address);
  upload.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nhalf");
  RawClient(address).get("/");  // so it is accepted
  ASSERT_EQ(run.reload().name(), "reload_done");
  // With the first bytes of the next one, which the old worker reads and does not answer.
  upload.send("half" + get_request("/").substr(0, 7));
  const Response response = upload.read_response();
  EXPECT_EQ(response.body, "halfhalf");
  expect_served_by(response, 1);
  wait_all_moved(run);
  upload.send(get_request("/").substr(7));
  expect_served_by(upload.read_response(), 2);
  expect_clean_stop(run);
}

TEST(BringYourOwnHandoffTest, NoClientLosesARequestOrAConnectionReloadAfterReload) {
  SupervisorRun run(with_handoff({.command = {BEAST_SERVER}, .workers = "2"}));
  LoadOptions load = brisk_load(run.wait_ready().address());
  std::erase_if(load.groups, [](const GroupOptions& each) { return each.mode == Mode::New; });
  GroupOptions rests;
  rests.name = "rests";
  rests.connections = 32;
  rests.think = {100ms, 3s};
  rests.ids = true;
  load.groups.push_back(rests);
  LoadClient client(load);
  client.start();
  ASSERT_TRUE(client.wait_for_requests(200));
  const int reloads = rounds("HOLDFAST_TEST_RELOADS", 8);
  for (int i = 0; i < reloads; ++i) {
    const Event verdict = run.reload();
    ASSERT_EQ(verdict.name(), "reload_done") << verdict.fields;
    ASSERT_TRUE(client.wait_for_requests(client.requests_done() + 100));
  }
  wait_all_moved(run);
  const LoadResult result = client.finish();
  expect_no_failure(result);
  for (const GroupOptions& group : load.groups) {
    const GroupResult& had = result.groups.at(group.name);
    EXPECT_EQ(had.connects, static_cast<std::uint64_t>(group.connections)) << group.name;
    EXPECT_EQ(had.idle_closed + had.idle_reset + had.connection_close, 0U) << group.name;
  }
  EXPECT_EQ(sum(run, "closed_idle"), 0);
  EXPECT_EQ(sum(run, "cut"), 0);
  expect_clean_stop(run);
  expect_all_logged(run.log(), result);
  std::printf("%d reloads, %lu requests, %ld handed off, 0 connections closed\n", reloads,
              result.total().ok, sum(run, "handed_off"));
}

TEST(BringYourOwnHandoffTest, ConnectionsGoOnFromOurServerToOneOfItsOwnAndBack) {
  const TempDir files;
  Releases releases(files);
  releases.add("ours", "exec '" + demo_path() + "'");
  releases.add("beast", "exec '" BEAST_SERVER "'");
  releases.flip("ours");
  SupervisorRun run(with_handoff({.command = {releases.command()}}));
  const std::string address = run.wait_ready().address();
  IdleAndHalf clients(address);
  int generation = 1;
  for (const char* next : {"beast", "ours", "beast"}) {
    releases.flip(next);
    ASSERT_EQ(run.reload().name(), "reload_done");
    wait_all_moved(run);
    expect_served_by(clients.idle.get("/"), ++generation);
  }
  clients.half.send("st: test\r\n\r\n");
  expect_served_by(clients.half.read_response(), generation);
  expect_clean_stop(run);
}

#ifdef HTTPLIB_SERVER
TEST(BringYourOwnHandoffTest, ConnectionsThatTheNextGenerationDoesNotTakeLeaveAsWithClose) {
  const TempDir files;
  Releases releases(files);
  releases.add("beast", "exec '" BEAST_SERVER "'");
  releases.add("httplib", "exec '" HTTPLIB_SERVER "'");
  releases.flip("beast");
  SupervisorRun run(with_handoff({.command = {releases.command()}}));
  const std::string address = run.wait_ready().address();
  IdleAndHalf clients(address);
  releases.flip("httplib");
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(clients.idle.wait_end(), End::Closed);
  clients.half.send("st: test\r\n\r\n");
  const Response last = clients.half.read_response();
  EXPECT_EQ(last.generation(), 1);
  EXPECT_TRUE(last.says_close());
  EXPECT_EQ(sum(run, "cut"), 0);
  expect_clean_stop(run);
}
#endif

class NoHandoffTest : public ::testing::TestWithParam<const char*> {};

TEST_P(NoHandoffTest, AServerThatTakesNoPartLetsItsConnectionsGoAsWithClose) {
  SupervisorRun run(with_handoff({.command = {GetParam()}}));
  const std::string address = run.wait_ready().address();
  RawClient idle(address);
  idle.get("/");
  idle.get("/");
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(idle.wait_end(), End::Closed);
  run.wait_workers(1);
  EXPECT_EQ(sum(run, "handed_off"), 0);
  EXPECT_EQ(sum(run, "closed_idle"), 1);
  expect_clean_stop(run);
}

const std::vector<const char*> kOthers = {
#ifdef HTTPLIB_SERVER
    HTTPLIB_SERVER,
#endif
#ifdef MHD_SERVER
    MHD_SERVER,
#endif
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(NoHandoffTest);
INSTANTIATE_TEST_SUITE_P(Servers, NoHandoffTest, ::testing::ValuesIn(kOthers));

}  // namespace
}  // namespace holdfast::testing
