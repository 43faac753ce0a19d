#include "supervisor/io/listener_health.hpp"

#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>

#include <gtest/gtest.h>

#include "shared/core/listen_address.hpp"
#include "supervisor/io/shut_mark.hpp"

namespace holdfast::supervisor {
namespace {

struct ListenerHealthTest : ::testing::TestWithParam<const char*> {
  BoundListener bind() { return bind_listener(parse_listen_address(GetParam()).value()).value(); }

  static UniqueFd connect_to(const BoundListener& listener) {
    UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(listener.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return client;
  }

  // Whoever is accepted from one that is marked reads the end of the stream.
  static void expect_serves(const BoundListener& listener) {
    const UniqueFd client = connect_to(listener);
    const UniqueFd accepted(::accept(listener.fd.get(), nullptr, nullptr));
    ASSERT_TRUE(accepted);
    char byte = 'x';
    EXPECT_EQ(::send(accepted.get(), &byte, 1, MSG_NOSIGNAL), 1);
    EXPECT_EQ(::recv(client.get(), &byte, 1, MSG_WAITALL), 1);
  }

  static void shut(const BoundListener& listener) { ::shutdown(listener.fd.get(), SHUT_RDWR); }
};

TEST_P(ListenerHealthTest, OneThatServesIsLeftAlone) {
  const BoundListener listener = bind();
  const UniqueFd queued = connect_to(listener);
  EXPECT_FALSE(is_marked_shut(listener.fd.get()));
  EXPECT_EQ(check_listener(listener).value(), ListenerHealth::Good);
  EXPECT_TRUE(UniqueFd(::accept(listener.fd.get(), nullptr, nullptr))) << "its queue was lost";
}

TEST_P(ListenerHealthTest, OneThatListensAgainWithTheMarkOfAShutdownIsRepaired) {
  const BoundListener listener = bind();
  shut(listener);
  shut(listener);  // finds it closed, and marks it
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  const int fd = listener.fd.get();
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size), 0);
  if (own.ss_family == AF_INET) {
    reinterpret_cast<sockaddr_in&>(own).sin_port = htons(listener.port);
  } else {
    reinterpret_cast<sockaddr_in6&>(own).sin6_port = htons(listener.port);
  }
  (void)::bind(fd, reinterpret_cast<const sockaddr*>(&own), size);
  ASSERT_EQ(::listen(fd, 16), 0);  // as a worker that was given it may do
  ASSERT_TRUE(is_marked_shut(fd));
  EXPECT_EQ(check_listener(listener).value(), ListenerHealth::Repaired);
  EXPECT_FALSE(is_marked_shut(fd));
  expect_serves(listener);
}

TEST_P(ListenerHealthTest, WhoShutsItInTheMiddleOfARepairHasShutItForNobodyAfterTheNextLook) {
  const BoundListener listener = bind();
  for (int round = 0; round < 200; ++round) {
    std::thread worker([&] {
      for (int i = 0; i < 20; ++i) shut(listener);
    });
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(check_listener(listener));
    worker.join();
    ASSERT_TRUE(check_listener(listener));
    ASSERT_NO_FATAL_FAILURE(expect_serves(listener)) << "in round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, ListenerHealthTest, ::testing::Values("127.0.0.1:0", ":0"),
                         [](const auto& test) { return test.param[0] == ':' ? "both" : "v4"; });

}  // namespace
}  // namespace holdfast::supervisor
