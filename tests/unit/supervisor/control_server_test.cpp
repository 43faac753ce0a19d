// The server alone, with clients that behave badly. With the supervisor behind it:
// tests/integration/control_socket_test.cpp.
#include "supervisor/io/control_server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.hpp"
#include "tests/unit/supervisor/io_fixture.hpp"

namespace holdfast::supervisor {
namespace {

class ControlServerTest : public ::testing::Test {
 protected:
  void listen(ControlLimits limits = {}) {
    server.emplace(
        io,
        ControlServer::Callbacks{[this](ControlClient& client, std::string_view line) {
                                   asked.emplace_back(line);
                                   access = client.access();
                                   if (line == "big")
                                     return client.send(std::string(400'000, 'x') + "\n");
                                   client.send("you said " + std::string(line) + "\n");
                                   if (line == "follow") client.follow(false);
                                   if (line == "await") client.await();
                                 },
                                 [this](const Report& report) { reports.push_back(report); }},
        limits);
    auto socket = open_control_socket(path, "");
    ASSERT_TRUE(socket) << socket.error().message;
    server->listen(std::move(*socket));
  }

  UniqueFd connect() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  static void say(const UniqueFd& fd, std::string_view text) {
    ASSERT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }

  // What has come when `wanted` is in it, or when the server has closed.
  std::string hear(const UniqueFd& fd, const std::string& wanted = "\n") {
    std::string all;
    bool ended = false;
    run_until(io, [&] {
      char buffer[4096];
      for (;;) {
        const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (n <= 0) {
          ended = n == 0 || (errno != EAGAIN && errno != EINTR);
          break;
        }
        all.append(buffer, static_cast<std::size_t>(n));
      }
      return ended || all.find(wanted) != std::string::npos;
    });
    return ended ? all + "<end>" : all;
  }

  bool clients_become(std::size_t count) {
    return run_until(io, [&] { return server->clients() == count; });
  }

  testing::TempDir files;
  std::string path = files.file("control.sock");
  boost::asio::io_context io;
  std::vector<std::string> asked;
  std::vector<Report> reports;
  std::optional<ControlAccess> access;
  std::optional<ControlServer> server;
};

TEST_F(ControlServerTest, SocketIsItsOwnersAloneWhateverTheUmask) {
  for (const mode_t mask : {0000, 0022, 0777}) {
    const mode_t before = ::umask(mask);
    const auto socket = open_control_socket(path, "");
    ::umask(before);
    ASSERT_TRUE(socket) << socket.error().message;
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
  }
}

TEST_F(ControlServerTest, PathThatIsTooLongOrTakenIsAnError) {
  const auto too_long = open_control_socket("/tmp/" + std::string(103, 'x'), "");
  ASSERT_FALSE(too_long);
  EXPECT_NE(too_long.error().message.find("at most 107 bytes"), std::string::npos);
  listen();
  EXPECT_FALSE(open_control_socket(path, "")) << "somebody listens there";
  EXPECT_FALSE(open_control_socket("@abstract", "")) << "everybody may connect to those";
  EXPECT_FALSE(open_control_socket(files.file("b.sock"), "no-such-group"));
}

TEST_F(ControlServerTest, RequestsAreAnsweredInTheirOrderAndTheEndIsAwaited) {
  listen();
  const UniqueFd client = connect();
  say(client, "one\ntwo\n");
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(hear(client, "nothing"), "you said one\nyou said two\n<end>");
}

TEST_F(ControlServerTest, OverlongRequestIsRefusedAndItsClientDropped) {
  listen();
  const UniqueFd client = connect();
  say(client, std::string(2 * kMaxOperatorLine, 'x'));
  EXPECT_NE(hear(client, "nothing").find("longer than 8 KiB"), std::string::npos);
  EXPECT_TRUE(asked.empty());
  EXPECT_TRUE(clients_become(0));
}

TEST_F(ControlServerTest, HalfARequestIsDroppedAtItsDeadlineAndOthersAreServed) {
  listen({.half_sent = Millis{100}});
  const UniqueFd slow = connect();
  say(slow, "half");
  const UniqueFd other = connect();
  say(other, "whole\n");
  EXPECT_EQ(hear(other), "you said whole\n");
  EXPECT_NE(hear(slow, "nothing").find("it did not end"), std::string::npos);
  EXPECT_EQ(asked, std::vector<std::string>{"whole"});
}

TEST_F(ControlServerTest, ClientThatSaysNothingIsDroppedAndOneThatAwaitsIsNot) {
  listen({.silent = Millis{100}});
  const UniqueFd waiting = connect();
  say(waiting, "await\n");
  EXPECT_EQ(hear(waiting), "you said await\n");
  const UniqueFd silent = connect();
  EXPECT_EQ(hear(silent), "<end>");
  EXPECT_EQ(server->clients(), 1u);
}

TEST_F(ControlServerTest, FollowerThatDoesNotReadIsDroppedAndSaysNothingToOthers) {
  listen({.outbox = 64 * 1024});
  const UniqueFd stalled = connect();
  say(stalled, "follow\n");
  const UniqueFd reader = connect();
  say(reader, "follow\n");
  EXPECT_EQ(hear(stalled), "you said follow\n");
  EXPECT_EQ(hear(reader), "you said follow\n");
  const std::string line(1'000, 'x');
  std::size_t heard = 0;
  for (int i = 0; i < 2'000 && server->clients() == 2; ++i) {
    server->broadcast(line + "\n", false);
    heard += hear(reader).size();
  }
  EXPECT_EQ(server->clients(), 1u);
  EXPECT_GE(heard, 64u * 1'000);
  EXPECT_TRUE(run_until(io, [&] { return !reports.empty(); }));
  EXPECT_EQ(reports.front().event, "operator_dropped");
}

TEST_F(ControlServerTest, ReplyThatNobodyReadsIsDroppedAtItsDeadline) {
  listen({.unread = Millis{100}});
  const UniqueFd client = connect();
  say(client, "big\n");
  EXPECT_TRUE(clients_become(1));
  EXPECT_TRUE(clients_become(0));
}

TEST_F(ControlServerTest, ClientBeyondTheLimitIsRefusedWithAMessage) {
  listen({.clients_per_user = 2});
  const UniqueFd one = connect();
  const UniqueFd two = connect();
  EXPECT_TRUE(clients_become(2));
  const UniqueFd three = connect();
  EXPECT_NE(hear(three, "nothing").find("too many connections"), std::string::npos);
  say(one, "still\n");
  EXPECT_EQ(hear(one), "you said still\n");
}

TEST_F(ControlServerTest, ClientThatGoesAwayIsForgottenWhateverItAwaits) {
  listen();
  {
    const UniqueFd client = connect();
    say(client, "await\n");
    EXPECT_EQ(hear(client), "you said await\n");
  }
  EXPECT_TRUE(clients_become(0));
}

TEST_F(ControlServerTest, AdoptedEndIsServedAndReadOnly) {
  listen();
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
  const UniqueFd mine(ends[0]);
  server->serve(UniqueFd(ends[1]), ControlAccess::ReadOnly);
  say(mine, "hello\n");
  EXPECT_EQ(hear(mine), "you said hello\n");
  EXPECT_EQ(access, ControlAccess::ReadOnly);
}

TEST_F(ControlServerTest, SocketIsRemovedAtTheEndButNotASuccessors) {
  listen();
  server->finish(Millis{10});
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  auto successor = open_control_socket(path, "");
  ASSERT_TRUE(successor);
  server->finish(Millis{10});
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace holdfast::supervisor
