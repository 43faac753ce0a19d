// `holdfast run --config`: read at the start, and again at each reload.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sys/stat.h>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

// A file whose keys a test changes one by one.
struct ConfigFile {
  explicit ConfigFile(std::string where) : path(std::move(where)) {}
  ConfigFile& set(const std::string& key, nlohmann::json value) {
    keys[key] = std::move(value);
    write_file(path, "// of a test\n" + keys.dump(2));
    return *this;
  }
  std::string path;
  nlohmann::json keys = nlohmann::json::object();
};

struct ConfigTest : ::testing::Test {
  ConfigTest() {
    config.set("listen", {"127.0.0.1:0"}).set("command", {demo_path()}).set("probation", "0");
  }

  // Listeners, workers and command are the file's.
  SupervisorRun& start(const std::map<std::string, std::string>& environment = {}) {
    run = std::make_unique<SupervisorRun>(SupervisorOptions{.listen = {},
                                                            .flags = {"--config", config.path},
                                                            .workers = {},
                                                            .environment = environment});
    run->wait_ready();
    return *run;
  }

  // A reload that is done, and the pid of its first worker.
  pid_t reload() {
    const Event verdict = run->reload();
    EXPECT_EQ(verdict.name(), "reload_done") << verdict.fields;
    return run->worker_pid(static_cast<int>(verdict.number("generation")));
  }

  TempDir files;
  ConfigFile config{files.file("holdfast.json")};
  std::unique_ptr<SupervisorRun> run;
};

TEST_F(ConfigTest, FileGivesListenersWorkersAndCommand) {
  config.set("workers", 2).set("listen", {{{"name", "web"}, {"address", "127.0.0.1:0"}}});
  start();
  EXPECT_EQ(run->started_workers().size(), 2u);
  EXPECT_EQ(run->wait("started").fields.at("listeners").at(0).at("name"), "web");
  EXPECT_EQ(RawClient(run->address()).get("/").status, 200);
  expect_clean_stop(*run);
}

TEST_F(ConfigTest, ReloadReadsTheFileAgain) {
  start();
  const pid_t old = run->worker_pid(1);
  config.set("workers", 3).set("label", "v2");
  reload();
  EXPECT_EQ(run->started_workers(2).size(), 3u);
  EXPECT_EQ(run->wait("reload_done").fields.value("label", ""), "v2");
  EXPECT_TRUE(wait_gone(old));
  expect_clean_stop(*run);
}

TEST_F(ConfigTest, LabelIsInTheAccessLogOfItsGeneration) {
  config.set("label", "v1 \"first\"");
  start();
  RawClient(run->address()).get("/");
  config.set("label", "v2");
  reload();
  RawClient(run->address()).get("/");
  expect_clean_stop(*run);
  EXPECT_EQ(run->wait("serving").text("label"), "v1 \"first\"");
  EXPECT_EQ(run->log().count("label", "v1 \"first\""), 1u);
  EXPECT_EQ(run->log().count("label", "v2"), 1u);
}

TEST_F(ConfigTest, FlagBeatsEnvironmentBeatsFileAtEachReload) {
  config.set("workers", 1).set("stop_timeout", "10s").set("kill_timeout", "11s");
  run = std::make_unique<SupervisorRun>(SupervisorOptions{
      .listen = {},
      .flags = {"--config", config.path},
      .workers = "2",
      .environment = {{"HOLDFAST_WORKERS", "4"}, {"HOLDFAST_LABEL", "from the environment"}}});
  run->wait_ready();
  config.set("workers", 3).set("label", "from the file");
  reload();
  EXPECT_EQ(run->started_workers(1).size(), 2u);
  EXPECT_EQ(run->started_workers(2).size(), 2u);
  EXPECT_EQ(run->wait("reload_done").fields.value("label", ""), "from the environment");
  expect_clean_stop(*run);
}

TEST_F(ConfigTest, BadFileFailsTheReloadAndTheOldGenerationServesOn) {
  start();
  const pid_t old = run->worker_pid(1);
  const auto good = config.keys;
  config.set("redy_timeout", "1s");
  const Event verdict = run->reload();
  ASSERT_EQ(verdict.name(), "reload_failed");
  const std::string reason = verdict.text("reason");
  EXPECT_TRUE(reason.starts_with("cannot read " + config.path + ":")) << reason;
  EXPECT_TRUE(reason.ends_with("unknown key \"redy_timeout\"; did you mean \"ready_timeout\"?"))
      << reason;
  EXPECT_EQ(RawClient(run->address()).get("/").generation(), 1);
  EXPECT_EQ(run->worker_pid(1), old);
  EXPECT_TRUE(is_alive(old));

  std::filesystem::remove(config.path);
  EXPECT_EQ(run->reload().text("reason"),
            "cannot read " + config.path + ": No such file or directory");

  config.keys = good;
  config.set("workers", 2);
  reload();
  expect_clean_stop(*run);
}

TEST_F(ConfigTest, WorkerBornAfterAFailedReloadIsOfTheOldSettings) {
  config.set("env", {{"MODE", "old"}});
  start();
  config.set("env", {{"MODE", "new"}}).set("command", {"/bin/false"});
  ASSERT_EQ(run->reload().name(), "reload_failed");
  const std::size_t from = run->mark();
  ::kill(run->worker_pid(1), SIGKILL);
  const Event born = run->wait("worker_accepting", from);
  EXPECT_EQ(born.number("generation"), 1);
  EXPECT_EQ(environment_of(static_cast<pid_t>(born.number("pid"))).at("MODE"), "old");
}

TEST_F(ConfigTest, EnvironmentIsThatOfTheGeneration) {
  write_file(files.file("token"), "s3cret\n");
  write_file(files.file("more.env"), "# comment\nFROM_FILE=one two\nMODE=weak\n");
  config.set(
      "env",
      {{"MODE", "live"}, {"TOKEN", {{"file", files.file("token")}}}, {"INHERITED", nullptr}});
  config.set("env_file", files.file("more.env"));
  start({{"INHERITED", "yes"}, {"OTHER", "1"}});
  auto first = environment_of(run->worker_pid(1));
  EXPECT_EQ(first["MODE"], "live");
  EXPECT_EQ(first["TOKEN"], "s3cret");
  EXPECT_EQ(first["FROM_FILE"], "one two");
  EXPECT_EQ(first["OTHER"], "1");
  EXPECT_FALSE(first.contains("INHERITED"));

  write_file(files.file("token"), "rotated");
  config.set("env", {{"TOKEN", {{"file", files.file("token")}}}, {"OTHER", {{"inherit", true}}}});
  config.set("clean_env", true).set("env_file", nlohmann::json::array());
  const auto second = environment_of(reload());
  EXPECT_EQ(second.at("TOKEN"), "rotated");
  EXPECT_EQ(second.at("OTHER"), "1");
  EXPECT_FALSE(second.contains("MODE")) << "removed from the file";
  EXPECT_FALSE(second.contains("FROM_FILE"));
  EXPECT_FALSE(second.contains("INHERITED"));
  EXPECT_FALSE(second.contains("PATH"));

  std::filesystem::remove(files.file("token"));
  EXPECT_EQ(run->reload().text("reason"), "cannot read " + files.file("token") +
                                              " for the variable TOKEN: No such file or directory");
  expect_clean_stop(*run);
}

TEST_F(ConfigTest, ListenersComeAndGoUnderLoadAndNoClientFails) {
  start();
  const std::string kept = run->address();
  LoadClient load(mixed_load(kept));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));
  for (int round = 0; round < rounds("HOLDFAST_TEST_RELOADS", 5); ++round) {
    const std::string path = "unix:" + files.file("admin.sock");
    config.set("listen", {"127.0.0.1:0", "admin=" + path, "extra=127.0.0.1:0"});
    reload();
    LoadClient of_removed(brisk_load(path));
    of_removed.start();
    ASSERT_TRUE(of_removed.wait_for_requests(100));
    of_removed.expect_stop();
    config.set("listen", {"127.0.0.1:0"});
    const Event verdict = run->reload();
    ASSERT_EQ(verdict.name(), "reload_done") << verdict.fields;
    expect_no_failure(of_removed.join());
    run->wait_for("end of the old generation", [&](const Event& e) {
      return e.name() == "generation_drained" &&
             e.number("generation") == verdict.number("generation") - 1;
    });
    EXPECT_FALSE(std::filesystem::exists(files.file("admin.sock")));
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 20));
  }
  expect_no_failure(load.finish());
  EXPECT_EQ(run->count("reload_failed"), 0u);
  expect_clean_stop(*run);
}

// Through a TCP listener, whose clients queue behind a SYN filter.
struct RemovedListenerTest : ConfigTest, ::testing::WithParamInterface<const char*> {};

TEST_P(RemovedListenerTest, LosesNobodyThatItTook) {
  config.set("listen", {"127.0.0.1:0", "extra=127.0.0.1:0"}).set("workers", 2);
  config.set("idle", GetParam());
  start();
  LoadClient of_removed(brisk_load(run->address(1)));
  of_removed.start();
  ASSERT_TRUE(of_removed.wait_for_requests(200));
  of_removed.expect_stop();
  config.set("listen", {"127.0.0.1:0"});
  ASSERT_EQ(run->reload().name(), "reload_done");
  expect_no_failure(of_removed.join());
  EXPECT_TRUE(is_refused(run->address(1)));
  EXPECT_EQ(RawClient(run->address(0)).get("/").status, 200);
  expect_clean_stop(*run);
}

INSTANTIATE_TEST_SUITE_P(Idle, RemovedListenerTest, ::testing::Values("close", "handoff"));

TEST_F(ConfigTest, ModeOfAUnixSocketThatStaysIsChangedByTheReload) {
  const std::string path = files.file("s");
  const auto mode = [&] {
    return static_cast<unsigned>(std::filesystem::status(path).permissions());
  };
  config.set("listen", {{{"address", "unix:" + path}, {"mode", "0600"}}});
  start();
  EXPECT_EQ(mode(), 0600U);
  RawClient client("unix:" + path);
  EXPECT_EQ(client.get("/").status, 200);
  config.set("listen", {{{"address", "unix:" + path}, {"mode", "0666"}}});
  ASSERT_EQ(run->reload().name(), "reload_done");
  EXPECT_TRUE(eventually([&] { return mode() == 0666U; })) << std::oct << mode();
  EXPECT_EQ(RawClient("unix:" + path).get("/").generation(), 2);
  EXPECT_EQ(run->count("socket_access_not_changed"), 0u);
  expect_clean_stop(*run);
}

// A removed listener whose queue takes its time, because its worker has room for one connection.
struct ListenerGivenBackTest : ConfigTest {
  void SetUp() override {
    config.set("listen", {"127.0.0.1:0", "extra=127.0.0.1:0"}).set("syn_wait", "20s");
    config.set("command", {demo_path(), "--max-connections", "1"});
    start();
    extra = run->address(1);
    in_flight = std::make_unique<RawClient>(extra);
    in_flight->send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
    queued = std::make_unique<RawClient>(extra);
    queued->send(get_request("/"));
    config.set("listen", {"127.0.0.1:0"});
    ASSERT_EQ(run->reload().name(), "reload_done");
    config.set("listen", {"127.0.0.1:0", "extra=127.0.0.1:0"});
  }

  Response finish_in_flight() { return in_flight->send("b").read_response(); }

  std::string extra;
  std::unique_ptr<RawClient> in_flight;  // until finish_in_flight()
  std::unique_ptr<RawClient> queued;
};

TEST_F(ListenerGivenBackTest, ACandidateThatFailsLosesNobodyWhoCame) {
  config.set("command",
             {"/bin/sh", "-c", "until [ -e " + files.file("go") + " ]; do sleep 0.05; done"});
  run->signal(SIGHUP);
  run->wait_for("worker of the candidate", [](const Event& event) {
    return event.name() == "worker_started" && event.number("generation") == 3;
  });
  // Who comes now is refused in the end, or served; not taken and reset.
  std::optional<End> late;
  std::thread client([&] {
    try {
      RawClient raw(extra);
      raw.send(get_request("/"));
      late = raw.wait_end();
    } catch (const ConnectRefused&) {
    }
  });
  files.write("go", "");
  EXPECT_EQ(run->wait("reload_failed").number("generation"), 3);
  EXPECT_EQ(finish_in_flight().status, 200);
  EXPECT_EQ(queued->read_response().status, 200);
  client.join();
  EXPECT_FALSE(late.has_value() && *late != End::Bytes) << *late;
  EXPECT_TRUE(eventually([&] { return is_refused(extra); }));
  EXPECT_EQ(run->count("queues_not_empty"), 0u);
  expect_clean_stop(*run);
}

TEST_F(ListenerGivenBackTest, TheCandidateThatServesHasIt) {
  config.set("command", {demo_path()});
  ASSERT_EQ(run->reload().name(), "reload_done");
  EXPECT_EQ(RawClient(extra).get("/").generation(), 3);
  EXPECT_EQ(finish_in_flight().status, 200);
  EXPECT_EQ(queued->read_response().status, 200);
  expect_clean_stop(*run);
}

TEST_F(ConfigTest, ListenerOfAFailedReloadIsClosedAgain) {
  start();
  config.set("listen", {"127.0.0.1:0", "admin=unix:" + files.file("admin.sock")})
      .set("command", {"/bin/false"});
  ASSERT_EQ(run->reload().name(), "reload_failed");
  EXPECT_FALSE(std::filesystem::exists(files.file("admin.sock")));
  EXPECT_EQ(RawClient(run->address()).get("/").generation(), 1);
  expect_clean_stop(*run);
}

TEST_F(ConfigTest, ListenerThatCannotBeBoundFailsTheReload) {
  SupervisorRun other;
  other.wait_ready();
  start();
  config.set("listen", {"127.0.0.1:0", "admin=" + other.address()});
  const Event verdict = run->reload();
  ASSERT_EQ(verdict.name(), "reload_failed");
  EXPECT_NE(verdict.text("reason").find("Address already in use"), std::string::npos);
  EXPECT_EQ(RawClient(run->address()).get("/").generation(), 1);
  expect_clean_stop(*run);
}

TEST_F(ConfigTest, WhatNeedsARestartIsAWarningAndStaysAsItWas) {
  start();
  config.set("pid_file", files.file("pid"));
  const std::size_t from = run->mark();
  reload();
  EXPECT_EQ(run->wait("option_needs_restart", from).text("option"), "pid_file");
  EXPECT_FALSE(std::filesystem::exists(files.file("pid")));
  expect_clean_stop(*run);
}

TEST_F(ConfigTest, CheckAcceptsWhatRunWouldAndTouchesNothing) {
  config.set("listen", {"unix:" + files.file("never.sock")});
  const CommandResult good = run_command({holdfast_path(), "check", "--config", config.path});
  EXPECT_EQ(good.status, exited(0)) << good.err;
  EXPECT_EQ(good.out, config.path + " is good\n");
  EXPECT_FALSE(std::filesystem::exists(files.file("never.sock")));
}

struct BadKey {
  const char* key;
  nlohmann::json value;
  std::string cause;  // how the line ends
};

TEST_F(ConfigTest, CheckAndRunRefuseTheSameWithExitCodeSix) {
  const std::vector<BadKey> mistakes{
      {"redy_timeout", "1s", "unknown key \"redy_timeout\"; did you mean \"ready_timeout\"?"},
      {"ready_timeout", "soon",
       "ready_timeout: cannot parse duration 'soon': expected a number and a unit, like 30s or "
       "500ms"},
      {"command", {"/no/such/program"}, "cannot run /no/such/program: No such file or directory"},
      {"listen", nlohmann::json::array(), "--listen is required"},
      {"cwd", "/no/such/folder", "cannot enter /no/such/folder: No such file or directory"},
      {"user", "no-such-user", "there is no user no-such-user"},
      {"control_group", "no-such-group",
       "cannot open the control socket to group no-such-group: there is no such group"},
      {"listen", {"127.0.0.1:0", "127.0.0.1:0"}, "two listeners have the name http"},
      {"listen", {"a=:7399", "b=:7399"}, "two listeners have the address :7399"},
      {"listen", {"a=unix:/s,mode=0600", "b=unix:/s"}, "two listeners have the address unix:/s"},
      {"probe", "tcp:127.0.0.1:1", "--probe needs a --protocol other than native"},
      {"readiness", "delay=1s", "--readiness needs a --protocol other than native"},
  };
  for (const BadKey& mistake : mistakes) {
    ConfigFile bad(files.file("bad.json"));
    bad.keys = config.keys;
    bad.set(mistake.key, mistake.value);
    for (const char* command : {"check", "run"}) {
      const CommandResult result = run_command({holdfast_path(), command, "--config", bad.path});
      EXPECT_EQ(result.status, exited(6)) << command << " " << mistake.key << "\n" << result.err;
      EXPECT_TRUE(result.err.starts_with("holdfast: cannot ")) << result.err;
      EXPECT_TRUE(result.err.ends_with(mistake.cause + "\n")) << result.err;
    }
  }
}

TEST_F(ConfigTest, ReloadRefusesContradictionsToo) {
  start();
  const std::vector<BadKey> mistakes{
      {"listen", {"127.0.0.1:0", "127.0.0.1:0"}, "two listeners have the name http"},
      {"probe", "tcp:127.0.0.1:1", "--probe needs a --protocol other than native"},
      {"control_group", "no-such-group", "there is no such group"},
  };
  for (const BadKey& mistake : mistakes) {
    const nlohmann::json good = config.keys;
    config.set(mistake.key, mistake.value);
    const Event verdict = run->reload();
    EXPECT_EQ(verdict.name(), "reload_failed");
    EXPECT_TRUE(verdict.text("reason").ends_with(mistake.cause)) << verdict.fields;
    config.keys = good;
  }
  EXPECT_EQ(run->started_workers().size(), 1u);
  config.set("canary", 1'024);
  reload();
  EXPECT_EQ(run->started_workers(5).size(), 1u) << "a canary is at most as many as there are";
}

TEST_F(ConfigTest, ContradictionsOfFlagsAloneAreExitCodeTwo) {
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"--listen", "127.0.0.1:0"},
                                             {"--probe", "tcp:127.0.0.1:1"},
                                             {"--readiness", "delay=1s"}}) {
    std::vector<std::string> argv{holdfast_path(), "run", "--listen", "127.0.0.1:0"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    argv.insert(argv.end(), {"--", demo_path()});
    const CommandResult result = run_command(argv);
    EXPECT_EQ(result.status, exited(2)) << result.err;
    EXPECT_TRUE(result.err.starts_with("holdfast: cannot parse the command line: ")) << result.err;
  }
}

TEST_F(ConfigTest, UnknownVariableIsExitCodeSix) {
  const CommandResult result = run_command({"env", "HOLDFAST_WORKRES=2", holdfast_path(), "run",
                                            "--listen", "127.0.0.1:0", "--", demo_path()});
  EXPECT_EQ(result.status, exited(6));
  EXPECT_EQ(result.err,
            "holdfast: cannot use HOLDFAST_WORKRES: there is no such variable; did you mean "
            "\"HOLDFAST_WORKERS\"?\n");
}

TEST_F(ConfigTest, FileThatWouldKeepUsWaitingIsRefused) {
  ASSERT_EQ(::mkfifo(files.file("fifo").c_str(), 0600), 0);
  const CommandResult result =
      run_command({holdfast_path(), "check", "--config", files.file("fifo")});
  EXPECT_EQ(result.status, exited(6));
  EXPECT_EQ(result.err,
            "holdfast: cannot read " + files.file("fifo") + ": it is no regular file\n");
}

}  // namespace
}  // namespace holdfast::testing
