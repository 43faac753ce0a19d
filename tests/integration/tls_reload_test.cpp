// What TLS adds to a reload: nobody notices, sessions resume, the new certificate is served, and a
// bad one changes nothing.
#include <chrono>
#include <csignal>
#include <filesystem>

#include <gtest/gtest.h>

#include "tests/integration/tls_fixture.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class TlsReloadTest : public ::testing::Test {
 protected:
  std::string address() { return run.address(); }
  TempDir files;
  Certificate certificate{files, "server"};
  SupervisorRun run{{.command = demo_with(certificate), .workers = "2"}};
  void SetUp() override { run.wait_ready(); }
};

TEST_F(TlsReloadTest, NoClientNoticesReloadAfterReload) {
  LoadOptions options = mixed_load(run.address());
  options.tls = true;
  LoadClient load(options);
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));
  for (int i = 1, reloads = rounds("HOLDFAST_TEST_RELOADS", 10); i <= reloads; ++i) {
    const Event verdict = run.reload();
    ASSERT_EQ(verdict.name(), "reload_done") << verdict.fields;
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 20));
  }
  const LoadResult result = load.finish();
  expect_no_failure(result);
  EXPECT_EQ(result.total().idle_reset, 0u) << "closed without close_notify";
  expect_clean_stop(run);
  const AccessLog log = run.log();
  expect_all_logged(log, result);
  std::size_t resumed = 0;
  for (const auto& line : log.lines()) resumed += line.at("tls").at("resumed") == true ? 1 : 0;
  EXPECT_GT(resumed, 0u);
  std::printf("%s; %zu of %zu requests on resumed sessions, generations seen: %zu\n",
              result.summary().c_str(), resumed, log.size(), result.generations.size());
}

TEST_F(TlsReloadTest, SessionsResumeAcrossGenerationsAndRespawns) {
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    const std::string session = files.file(std::string("session") + version);
    ASSERT_TRUE(says(s_client(address(), {version, "-sess_out", session}), "New, TLS"));
    ASSERT_EQ(run.reload().name(), "reload_done");
    run.wait_workers(2);
    const auto resumed = s_client(address(), {version, "-sess_in", session, "-sess_out", session});
    EXPECT_TRUE(says(resumed, "Reused, TLS")) << version << resumed.out << resumed.err;
    EXPECT_TRUE(says(resumed, "Hello, world!")) << resumed.out;

    for (const WorkerInfo& worker : run.started_workers()) ::kill(worker.pid, SIGKILL);
    ASSERT_TRUE(eventually([&] {
      return says(s_client(address(), {version, "-sess_in", session}), "Reused, TLS");
    })) << version
        << ": not by a respawned worker";
  }
  run.stop();
  const AccessLog log = run.log();
  EXPECT_GT(log.size(), 0u);
  EXPECT_EQ(log.lines().back().at("tls").at("resumed"), true);
}

TEST_F(TlsReloadTest, ATicketOfAnotherSupervisorMeansAFullHandshake) {
  SupervisorRun other({.command = demo_with(certificate)});
  other.wait_ready();
  const std::string session = files.file("session");
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    ASSERT_TRUE(says(s_client(other.address(), {version, "-sess_out", session}), "New, TLS"));
    const auto result = s_client(address(), {version, "-sess_in", session});
    EXPECT_TRUE(says(result, "New, TLS")) << version << result.out;
    EXPECT_TRUE(says(result, "Hello, world!")) << version << result.out;
  }
}

TEST_F(TlsReloadTest, ADownloadThatCrossesAReloadIsWhole) {
  const std::string target = "/stream?chunks=30&interval=30ms";
  const auto alone = curl_https(address(), certificate.certificate, {}, target);
  ASSERT_EQ(alone.status, exited(0)) << alone.err;
  ChildProcess download(
      {.argv = {"curl", "-sS", "--fail", "--cacert", certificate.certificate, "-o",
                files.file("out"), "https://localhost:" + port_of(address()) + target},
       .environment = {}});
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(download.wait_exit(), exited(0));
  EXPECT_EQ(read_text(files.file("out")).size(), alone.out.size());
}

TEST_F(TlsReloadTest, ACertificateThatIsReplacedOnDiskIsServedAfterAHup) {
  const std::string old = files.write("old.crt", read_text(certificate.certificate));
  certificate.replace();
  EXPECT_EQ(curl_https(address(), old, {}).status, exited(0)) << "before the HUP";
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(curl_https(address(), certificate.certificate, {}).out, "Hello, world!");
  EXPECT_NE(curl_https(address(), old, {}).status, exited(0));
  expect_clean_stop(run);
}

TEST_F(TlsReloadTest, ABadCertificateIsAFailedDeployThatChangesNothing) {
  LoadOptions options = brisk_load(run.address());
  options.tls = true;
  LoadClient load(options);
  load.start();
  ASSERT_TRUE(load.wait_for_requests(100));
  const std::string good_certificate = read_text(certificate.certificate);
  const std::string good_key = read_text(certificate.key);
  const auto expect_refused = [&](const std::string& cause) {
    const Event verdict = run.reload();
    EXPECT_EQ(verdict.name(), "reload_failed") << verdict.fields;
    EXPECT_EQ(verdict.number("exit_code"), 1) << verdict.fields;
    EXPECT_NE(verdict.fields.dump().find(cause), std::string::npos) << verdict.fields;
  };
  files.write("server.crt", "this is no certificate\n");
  expect_refused("cannot load certificate " + certificate.certificate +
                 ": it holds no certificate in PEM format");
  std::filesystem::remove(certificate.certificate);
  expect_refused("cannot load certificate " + certificate.certificate +
                 ": No such file or directory");
  files.write("server.crt", good_certificate);
  files.write("server.key", "");
  expect_refused("cannot load key " + certificate.key +
                 ": it holds no key in PEM format, or an encrypted one");
  const Certificate other(files, "other");
  files.write("server.key", read_text(other.key));
  expect_refused("cannot load key " + certificate.key + ": it does not belong to certificate");
  files.write("server.key", good_key);
  EXPECT_TRUE(load.wait_for_requests(load.requests_done() + 100));
  ASSERT_EQ(run.reload().name(), "reload_done");
  const LoadResult result = load.finish();
  expect_no_failure(result);
  EXPECT_EQ(result.generations.count("1"), 1u);
  expect_clean_stop(run);
  expect_all_logged(run.log(), result);
}

TEST(TlsStartTest, AListenerThatDoesNotExistIsAnErrorAndNotPlainHttp) {
  const TempDir files;
  const Certificate certificate(files, "server");
  const auto alone =
      run_command(demo_with(certificate, {"--listen", "127.0.0.1:0", "--tls-listener", "x"}));
  EXPECT_EQ(alone.status, exited(1));
  EXPECT_EQ(alone.err, "holdfast: cannot serve TLS on x: there is no such listener\n");
  const auto keyless =
      run_command({demo_path(), "--listen", "127.0.0.1:0", "--tls-cert", certificate.certificate});
  EXPECT_EQ(keyless.status, exited(1));
  EXPECT_EQ(keyless.err, "holdfast: cannot set up TLS: it needs both a certificate and a key\n");

  SupervisorRun wrong(
      {.flags = {"--give-up", "1"}, .command = demo_with(certificate, {"--tls-listener", "htps"})});
  const Event exit = wrong.wait("worker_exited");
  EXPECT_EQ(exit.number("exit_code"), 1) << exit.fields;
}

}  // namespace
}  // namespace holdfast::testing
