// Promise 4 while the log's target moves: rotated, slow, or missing.
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

LoadOptions numbered_load(const std::string& address) {
  LoadOptions options;
  options.target = address;
  options.groups.push_back({.name = "n",
                            .mode = Mode::KeepAlive,
                            .connections = 8,
                            .think = {0ms, 1ms},
                            .per_connection = 20,  // so that every worker gets some
                            .ids = true});
  return options;
}

TEST(LogTest, RotationLosesNoLineAndDoublesNone) {
  SupervisorRun run({.workers = "2"});
  run.wait_ready();
  LoadClient load(numbered_load(run.address()));
  load.start();
  std::string rotated;
  const int rotations = rounds("HOLDFAST_TEST_ROTATIONS", 5);
  for (int i = 0; i < rotations; ++i) {
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 200));
    const std::string aside = run.access_log_path() + "." + std::to_string(i);
    std::filesystem::rename(run.access_log_path(), aside);
    run.signal(SIGUSR1);
    // Every worker writes there within a second of its next request.
    AccessLog::wait(run.access_log_path(), [](const AccessLog& log) {
      std::set<int> workers;
      for (const auto& line : log.lines()) workers.insert(line.at("worker").get<int>());
      return workers.size() == 2;
    });
    rotated += read_text(aside);
    const auto size_then = std::filesystem::file_size(aside);
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 100));
    EXPECT_EQ(std::filesystem::file_size(aside), size_then) << "somebody still writes to it";
  }
  const LoadResult result = load.finish();
  expect_no_failure(result);
  expect_clean_stop(run);
  expect_all_logged(AccessLog::parse(rotated + read_text(run.access_log_path())), result);
}

TEST(LogTest, RotationReachesDrainingWorkers) {
  SupervisorRun run;
  run.wait_ready();
  RawClient slow(run.address());
  slow.get("/", "X-Request-ID: early\r\n");
  slow.send(get_request("/?duration=1500ms", "X-Request-ID: late\r\n"));
  ASSERT_EQ(run.reload().name(), "reload_done");
  const std::string aside = run.access_log_path() + ".1";
  std::filesystem::rename(run.access_log_path(), aside);
  run.signal(SIGUSR1);
  EXPECT_EQ(slow.read_response().status, 200);
  expect_clean_stop(run);
  EXPECT_EQ(AccessLog::read(aside).count("request_id", "early"), 1u);
  const auto line = run.log().only("request_id", "late");
  EXPECT_EQ(line.at("draining"), true);
  EXPECT_EQ(line.at("generation"), 1);
}

TEST(LogTest, AFailedReopenKeepsTheOldFile) {
  const TempDir files;
  std::filesystem::create_directory(files.file("logs"));
  const std::string path = files.file("logs/access.log");
  SupervisorRun run({.access_log = path});
  run.wait_ready();
  const std::string aside = files.file("aside");
  std::filesystem::rename(files.file("logs"), aside);  // the folder is gone: open fails
  run.signal(SIGUSR1);
  run.signal(SIGHUP);  // and a reload meanwhile works all the same, or says that it cannot
  run.wait_for("end of the reload", [](const Event& e) {
    return e.name() == "reload_done" || e.name() == "reload_failed";
  });
  EXPECT_EQ(RawClient(run.address()).get("/", "X-Request-ID: after\r\n").status, 200);
  expect_clean_stop(run);
  EXPECT_EQ(AccessLog::read(aside + "/access.log").count("request_id", "after"), 1u);
}

TEST(LogTest, ATargetThatCannotBeOpenedIsAnErrorAtTheStart) {
  SupervisorRun run({.access_log = "/nonexistent/folder/access.log"});
  const ExitStatus status = run.wait_exit();
  EXPECT_TRUE(status == exited(1) || status == exited(6)) << status;
  ASSERT_TRUE(run.events().wait_end());
  EXPECT_EQ(run.count("worker_started"), 0u);
  ASSERT_FALSE(run.events().text().empty());
  EXPECT_NE(run.events().dump().find("/nonexistent/folder/access.log"), std::string::npos);
}

TEST(LogTest, ASlowReaderOfAPipeGetsEveryLineAndHoldsUpNoRequest) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  ::fcntl(read_end.get(), F_SETPIPE_SZ, 4096);
  SupervisorRun run({.workers = "2", .access_log = "stdout", .out = write_end.get()});
  write_end.reset();
  run.wait_ready();
  LoadOptions options = numbered_load(run.address());
  options.groups[0].timeout = 10s;  // a request that waits for the log fails
  LoadClient load(options);
  load.start();
  ASSERT_TRUE(load.wait_for_requests(2000));  // some 1 MB of lines, and nobody has read one
  const LoadResult result = load.finish();
  expect_no_failure(result);
  run.signal(SIGTERM);
  run.wait("stopping");
  std::string text;
  char some[100];
  for (ssize_t got = 0; (got = ::read(read_end.get(), some, sizeof some)) > 0;) {
    text.append(some, static_cast<std::size_t>(got));
  }
  EXPECT_EQ(run.wait_exit(), exited(0));
  expect_all_logged(AccessLog::parse(text), result);
}

TEST(LogTest, AReaderOfAPipeThatGoesAwayKillsNobody) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  SupervisorRun run({.access_log = "stdout", .out = write_end.get()});
  write_end.reset();
  run.wait_ready();
  RawClient(run.address()).get("/");
  read_end.reset();
  LoadClient load(numbered_load(run.address()));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(500));
  expect_no_failure(load.finish());
  EXPECT_EQ(run.count("worker_exited"), 0u);
  expect_clean_stop(run);
}

TEST(LogTest, OffMeansNoLine) {
  SupervisorRun run({.access_log = "off"});
  run.wait_ready();
  EXPECT_EQ(RawClient(run.address()).get("/").status, 200);
  expect_clean_stop(run);
}

TEST(LogTest, ALineHasTheFieldsOfTheContract) {
  SupervisorRun run;
  run.wait_ready();
  RawClient client(run.address());
  client.send(
      "POST /echo?a=b HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: probe/1\r\n"
      "Referer: http://a/\r\nX-Request-ID: id-1\r\nContent-Length: 5\r\n\r\nhello");
  const Response response = client.read_response();
  expect_clean_stop(run);
  const auto line = run.log().only("request_id", "id-1");
  EXPECT_EQ(line.at("type"), "access");
  EXPECT_EQ(line.at("severity"), "info");
  EXPECT_EQ(line.at("protocol"), "HTTP/1.1");
  EXPECT_EQ(line.at("http_method"), "POST");
  EXPECT_EQ(line.at("url"), "/echo?a=b");
  EXPECT_EQ(line.at("http_host"), "shop.example");
  EXPECT_EQ(line.at("http_status_code"), 200);
  EXPECT_EQ(line.at("http_user_agent"), "probe/1");
  EXPECT_EQ(line.at("http_referer"), "http://a/");
  EXPECT_EQ(line.at("request_size"), 5);
  EXPECT_EQ(line.at("response_size"), 5);
  EXPECT_EQ(line.at("remote_ipaddr"), "127.0.0.1");
  EXPECT_EQ(line.at("remote_port"), client.local_port());
  EXPECT_EQ(line.at("listener"), "http");
  EXPECT_EQ(line.at("generation"), 1);
  EXPECT_EQ(line.at("pid"), response.pid());
  EXPECT_EQ(line.at("conn_requests"), 1);
  EXPECT_EQ(line.at("completion"), "ok");
  EXPECT_GT(line.at("response_time").get<double>(), 0.0);
  EXPECT_GT(line.at("bytes_received").get<int>(), 100);
  EXPECT_GT(line.at("bytes_sent").get<int>(), 50);
  for (const char* time : {"logged_at", "start_at"}) {
    const auto text = line.at(time).get<std::string>();
    EXPECT_EQ(text.size(), 27u) << text;  // 2026-01-02T03:04:05.000006Z
    EXPECT_EQ(text.back(), 'Z') << text;
  }
  EXPECT_FALSE(line.contains("draining"));
  EXPECT_FALSE(line.contains("truncated"));
}

// Bytes that would end a JSON string, a line, or a reader's UTF-8, wherever a client can put them
// past the parser. A control byte is no part of any field: it is a 400, whose line shows nothing of
// it.
TEST(LogTest, HostileBytesInEveryFieldAreOneValidLine) {
  SupervisorRun run({.command = {demo_path(), "--trusted-proxies", "127.0.0.0/8"}});
  const std::string address = run.wait_ready().address();
  const std::string evil =
      "\"}{\\u0000\x80\xff\xed\xa0\x80\xf4\x90\x80\x80\xe2\x80\xa8,\t';%00</script>";
  RawClient client(address);
  client.send("GET /" + std::string("\"}\\\x80\xff\xed\xa0\x80'%00%0a") +
              " HTTP/1.1\r\nHost: \x61\r\nUser-Agent: " + evil + "\r\nReferer: " + evil +
              "\r\nX-Request-ID: " + evil + "\r\nX-Forwarded-For: " + evil + "\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 404);
  const std::string rejected[] = {"GET / HTTP/1.1\r\nHost: " + evil + "\r\n\r\n",
                                  "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \x1b[2J\r\n\r\n",
                                  "GET / HTTP/1.1\r\nHost: a\r\nReferer: a\nb\r\n\r\n",
                                  "GET /" + std::string(1, '\0') + " HTTP/1.1\r\nHost: a\r\n\r\n",
                                  evil + " / HTTP/1.1\r\nHost: a\r\n\r\n",
                                  "GET " + evil + " HTTP/1.1\r\nHost: a\r\n\r\n"};
  for (const std::string& bytes : rejected)
    EXPECT_EQ(RawClient(address).send(bytes).read_response().status, 400) << bytes;
  expect_clean_stop(run);
  const AccessLog log = run.log();
  EXPECT_TRUE(log.bad().empty()) << log.bad()[0];
  ASSERT_EQ(log.size(), 1 + std::size(rejected));
  const auto& line = log.only("http_status_code", 404);
  const std::string want =
      "\"}{\\u0000\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\u2028,\t';%00</script>";
  EXPECT_EQ(line.value("http_user_agent", ""), want);
  EXPECT_EQ(line.value("http_referer", ""), want);
  EXPECT_EQ(line.value("url", ""), "/\"}\\\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD'%00%0a");
  EXPECT_EQ(line.value("request_id", "").find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_FALSE(line.contains("client_ip")) << line;
}

}  // namespace
}  // namespace holdfast::testing
