#include "supervisor/core/foreign_environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supervisor/core/notify_message.hpp"

namespace holdfast::supervisor {
namespace {

using ::testing::ElementsAre;

ForeignStart start(WorkerProtocol protocol) {
  ForeignStart start{protocol,
                     GenerationId{7},
                     WorkerId{12},
                     {{"http", "127.0.0.1:8080"},
                      {"all", ":9000"},
                      {"six", "[::1]:8080"},
                      {"local", "unix:/run/app.sock"}}};
  start.supervisor_pid = 42;
  return start;
}

TEST(ForeignEnvironmentTest, SystemdsVariablesAreAsSdListenFdsReadsThem) {
  ForeignStart with = start(WorkerProtocol::Systemd);
  with.notify_socket = "@00001";
  with.watchdog = Millis{15'000};
  const ForeignEnvironment environment = environment_for(with);
  EXPECT_THAT(environment.variables,
              ElementsAre("LISTEN_FDS=4", "LISTEN_FDNAMES=http:all:six:local",
                          "NOTIFY_SOCKET=@00001", "WATCHDOG_USEC=15000000"));
  EXPECT_THAT(environment.pid_variables, ElementsAre("LISTEN_PID", "WATCHDOG_PID"));
}

TEST(ForeignEnvironmentTest, StartServersVariablesAreAsServerStarterReadsThem) {
  EXPECT_THAT(environment_for(start(WorkerProtocol::StartServer)).variables,
              ElementsAre("SERVER_STARTER_PORT=127.0.0.1:8080=3;9000=4;[::1]:8080=5;"
                          "/run/app.sock=6",
                          "SERVER_STARTER_GENERATION=7"));
}

TEST(ForeignEnvironmentTest, EinhornsVariablesAreAsItsClientsReadThem) {
  ForeignStart with = start(WorkerProtocol::Einhorn);
  with.listeners.resize(2);
  with.einhorn_path = "/tmp/e/ack.sock";
  with.einhorn_fd = 5;
  with.child_index = 1;
  EXPECT_THAT(environment_for(with).variables,
              ElementsAre("EINHORN_MASTER_PID=42", "EINHORN_FD_COUNT=2", "EINHORN_FD_0=3",
                          "EINHORN_FD_1=4", "EINHORN_FDS=3 4", "EINHORN_CHILD_INDEX=1",
                          "EINHORN_SOCK_PATH=/tmp/e/ack.sock", "EINHORN_SOCK_FD=5"));
}

TEST(ForeignEnvironmentTest, PlaceholdersBecomeNumbers) {
  const ForeignStart with = start(WorkerProtocol::Systemd);
  EXPECT_EQ(with_descriptors("--fd={fd:all},{fd:http}", with).value(), "--fd=4,3");
  EXPECT_EQ(with_descriptors("app-{generation}-{worker}.log", with).value(), "app-7-12.log");
  for (const char* same : {"", "{", "{fd:http", "{fd}", "}{", "{ fd:http}"}) {
    EXPECT_EQ(with_descriptors(same, with).value(), same);
  }
  const auto unknown = with_descriptors("{fd:htp}", with);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message, "cannot replace {fd:htp}: no listener has that name");
}

TEST(ForeignEnvironmentTest, WhatIsAddedReplacesWhatWasThere) {
  const ForeignEnvironment added{{"A=new", "B=new"}, {"LISTEN_PID"}};
  EXPECT_THAT(merge_environment({"A=old", "AB=kept", "LISTEN_PID=1", "C=kept"}, added),
              ElementsAre("AB=kept", "C=kept", "A=new", "B=new"));
}

TEST(ForeignOptionsTest, ReadinessIsReadAndNonsenseIsRefused) {
  EXPECT_EQ(parse_readiness("notify").value().kind, ReadinessKind::Notify);
  EXPECT_EQ(parse_readiness("ack").value().kind, ReadinessKind::Ack);
  EXPECT_EQ(parse_readiness("delay").value().delay, Millis{1'000});
  EXPECT_EQ(parse_readiness("delay=250ms").value().delay, Millis{250});
  EXPECT_EQ(parse_readiness("tcp=127.0.0.1:90{worker}").value().address, "127.0.0.1:90{worker}");
  for (const char* bad : {"", "tcp", "tcp=", "tcp=:80", "tcp=127.0.0.1:0", "delay=5",
                          "delay=", "soon", "tcp=localhost:80"}) {
    EXPECT_FALSE(parse_readiness(bad)) << bad;
  }
}

TEST(ForeignOptionsTest, ProbesAreReadAndNonsenseIsRefused) {
  EXPECT_EQ(parse_probe("tcp:127.0.0.1:80").value().path, "");
  EXPECT_EQ(parse_probe("tcp:unix:/run/a.sock").value().path, "");
  EXPECT_EQ(parse_probe("http://127.0.0.1:80").value().path, "/");
  EXPECT_EQ(parse_probe("http://[::1]:80/health?deep=1").value().path, "/health?deep=1");
  for (const char* bad :
       {"", "127.0.0.1:80", "https://127.0.0.1/", "http://127.0.0.1/", "http://example.org:80/",
        "http://:80/", "http://1.2.3.4:80/a b", "http://1.2.3.4:80/a\r\nHost: b"}) {
    EXPECT_FALSE(parse_probe(bad)) << bad;
  }
}

TEST(NotifyMessageTest, KnownAssignmentsCountAndAllElseIsSkipped) {
  NotifyMessage all;
  all.ready = all.stopping = all.lives = true;
  all.status = "99% of nothing";
  EXPECT_EQ(parse_notify("READY=1\nSTATUS=99% of nothing\nWATCHDOG=1\nSTOPPING=1\nX_OWN=1\n"), all);
  EXPECT_TRUE(parse_notify("WATCHDOG=trigger").hangs);
  EXPECT_THAT(parse_notify("MAINPID=3\nFDSTORE=1\nFDNAME=x").unused,
              ElementsAre("MAINPID", "FDSTORE"));
  for (const char* nothing :
       {"", "\n\n", "READY", "READY=0", "READY=11", "ready=1", " READY=1", "=", "WATCHDOG=0"}) {
    EXPECT_EQ(parse_notify(nothing), NotifyMessage{}) << nothing;
  }
  EXPECT_EQ(parse_notify(std::string_view("STATUS=a\0b\x1b[31m", 14)).status,
            std::string("a b [31m").substr(0, 7));
  EXPECT_EQ(parse_notify("STATUS=" + std::string(100'000, 'x') + "\nREADY=1").ready, false)
      << "longer than a datagram may be";
}

}  // namespace
}  // namespace holdfast::supervisor
