// Each way in which a server can fail a request must be reported as exactly that way, and what a
// server may do between requests as no failure.
#include "tests/support/load_client.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/load_client_scripted_server.hpp"

namespace holdfast::testing {
namespace {

using std::chrono::milliseconds;

LoadResult run(const std::string& target, const std::string& group, Nanos connect_timeout = {}) {
  LoadOptions options{.target = target, .groups = {parse_group(group)}};
  if (connect_timeout > Nanos::zero()) options.connect_timeout = connect_timeout;
  LoadClient client(std::move(options));
  return client.run();
}

void expect_only(const LoadResult& result, std::uint64_t ok, Failure failure, std::uint64_t n) {
  const GroupResult sum = result.total();
  EXPECT_EQ(sum.ok, ok) << result.summary();
  EXPECT_EQ(sum.count(failure), n) << result.summary();
  EXPECT_EQ(sum.failed(), n) << result.summary();
  EXPECT_EQ(sum.aborted, 0U);
  EXPECT_EQ(result.examples.size(), n);
}

void answer_until_closed(Peer& peer) {
  while (!peer.read_request().empty()) peer.send(kHello);
}

void expect_first_answer_is(std::string_view response, Failure failure) {
  ScriptedServer server({[&](Peer& peer) { peer.answer(response); }});
  expect_only(run(server.target(), "requests=1"), 0, failure, 1);
}

TEST(LoadClientTest, CountsRequestsOfAHealthyServer) {
  ScriptedServer server({answer_until_closed});
  const LoadResult result = run(server.target(), "requests=50");
  expect_only(result, 50, Failure::Refused, 0);
  const GroupResult sum = result.total();
  EXPECT_EQ(sum.begun, 50U);
  EXPECT_EQ(sum.answered, 50U);
  EXPECT_EQ(sum.connects, 1U);
  EXPECT_EQ(sum.statuses.at(200), 50U);
  EXPECT_EQ(result.generations.at("7"), 50U);
  EXPECT_EQ(result.workers.at("42"), 50U);
  EXPECT_EQ(sum.steady.count(), 50U);
}

TEST(LoadClientTest, CloseMeetsRequestOnReusedConnection) {
  ScriptedServer server({[](Peer& peer) {
    peer.answer();
    peer.read_request();
  }});
  const LoadResult result = run(server.target(), "requests=2");
  expect_only(result, 1, Failure::ReusedEof, 1);
  EXPECT_EQ(result.total().begun, 2U);
  EXPECT_EQ(result.total().answered, 1U);
  EXPECT_EQ(result.examples.at(0).served, 1U);
}

TEST(LoadClientTest, ResetMeetsRequestOnReusedConnection) {
  ScriptedServer server({[](Peer& peer) {
    peer.answer();
    peer.read_request();
    peer.reset();
  }});
  const LoadResult result = run(server.target(), "requests=2");
  expect_only(result, 1, Failure::ReusedReset, 1);
  EXPECT_EQ(result.examples.at(0).error, ECONNRESET);
}

TEST(LoadClientTest, CloseMeetsFirstRequest) {
  ScriptedServer server({[](Peer& peer) { peer.read_request(); }});
  expect_only(run(server.target(), "requests=3"), 0, Failure::FreshEof, 3);
}

TEST(LoadClientTest, ResetMeetsFirstRequest) {
  ScriptedServer server({[](Peer& peer) {
    peer.read_request();
    peer.reset();
  }});
  expect_only(run(server.target(), "requests=3,mode=new"), 0, Failure::FreshReset, 3);
}

TEST(LoadClientTest, CloseWithoutReadingIsAResetOfTheRequest) {
  ScriptedServer server({[](Peer& peer) {
    char byte = 0;
    recv(peer.fd(), &byte, 1, MSG_PEEK);
  }});
  expect_only(run(server.target(), "requests=1"), 0, Failure::FreshReset, 1);
}

TEST(LoadClientTest, TruncatedBodies) {
  expect_first_answer_is("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello", Failure::Truncated);
  expect_first_answer_is("HTTP/1.1 200 OK\r\nContent-Le", Failure::Truncated);
  expect_first_answer_is(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, world!\r\n",
      Failure::Truncated);
  ScriptedServer server({[](Peer& peer) {
    peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello");
    peer.reset();
  }});
  expect_only(run(server.target(), "requests=1"), 0, Failure::Truncated, 1);
}

TEST(LoadClientTest, WrongAnswers) {
  expect_first_answer_is("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", Failure::WrongStatus);
  expect_first_answer_is("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, wOrld!",
                         Failure::WrongBody);
  expect_first_answer_is("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello, world",
                         Failure::WrongBody);
  expect_first_answer_is("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Failure::WrongBody);
}

TEST(LoadClientTest, NotHttp) {
  expect_first_answer_is("SSH-2.0-OpenSSH_9.2\r\n\r\n", Failure::ProtocolError);
  expect_first_answer_is(
      "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Length: 13\r\n\r\nHello, world!",
      Failure::ProtocolError);
  expect_first_answer_is("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                         Failure::ProtocolError);
  expect_first_answer_is(std::string(kHello) + "and more", Failure::ProtocolError);
}

TEST(LoadClientTest, BytesOnAnIdleConnectionBelongToNoRequest) {
  ScriptedServer server({[](Peer& peer) {
    peer.answer();
    peer.send("HTTP/1.1 408 Request Timeout\r\n\r\n");
    peer.wait_for_close();
  }});
  // Sent at once, they may share a segment with the response; both are the same failure.
  const LoadResult result = run(server.target(), "requests=1,mode=idle");
  EXPECT_EQ(result.total().count(Failure::ProtocolError), 1U) << result.summary();
}

TEST(LoadClientTest, NoAnswer) {
  ScriptedServer server({[](Peer& peer) { peer.wait_for_close(); }});
  expect_only(run(server.target(), "requests=1,timeout=100ms"), 0, Failure::Timeout, 1);
}

TEST(LoadClientTest, AnswerThatStops) {
  ScriptedServer server({[](Peer& peer) {
    peer.answer("HTTP/1.1 200 OK\r\n");
    peer.wait_for_close();
  }});
  expect_only(run(server.target(), "requests=1,timeout=100ms"), 0, Failure::Timeout, 1);
}

TEST(LoadClientTest, IdleCloseIsNoFailure) {
  ScriptedServer server({[](Peer& peer) { peer.answer(); }, answer_until_closed});
  const LoadResult result = run(server.target(), "requests=3,think=50ms");
  expect_only(result, 3, Failure::Refused, 0);
  EXPECT_EQ(result.total().idle_closed, 1U);
  EXPECT_EQ(result.total().idle_reset, 0U);
  EXPECT_EQ(result.total().connects, 2U);
}

TEST(LoadClientTest, IdleResetIsNoFailure) {
  ScriptedServer server({[](Peer& peer) {
                           peer.answer();
                           peer.reset();
                         },
                         answer_until_closed});
  const LoadResult result = run(server.target(), "requests=2,think=50ms");
  expect_only(result, 2, Failure::Refused, 0);
  EXPECT_EQ(result.total().idle_reset, 1U);
}

TEST(LoadClientTest, AnnouncedCloseIsNoFailure) {
  ScriptedServer server({[](Peer& peer) {
    peer.answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nHello, world!");
  }});
  const LoadResult result = run(server.target(), "requests=3");
  expect_only(result, 3, Failure::Refused, 0);
  EXPECT_EQ(result.total().connection_close, 3U);
  EXPECT_EQ(result.total().connects, 3U);
  EXPECT_EQ(result.total().idle_closed, 0U);
}

TEST(LoadClientTest, Refused) {
  std::string target;
  {
    ScriptedServer server({answer_until_closed});
    target = server.target();
  }
  const LoadResult result = run(target, "requests=3");
  expect_only(result, 0, Failure::Refused, 3);
  EXPECT_EQ(result.total().begun, 0U);
}

TEST(LoadClientTest, RefusedUnixPath) {
  expect_only(run("unix:/nonexistent/holdfast.sock", "requests=2"), 0, Failure::Refused, 2);
}

TEST(LoadClientTest, ConnectThatNobodyAnswers) {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener.get(), 0), 0);
  const std::string target = "127.0.0.1:" + std::to_string(local_port(listener.get()));
  // A backlog of 0 holds one connection; the kernel drops further SYNs.
  Target filler(target);
  UniqueFd first;
  ASSERT_TRUE(filler.connect(first) == 0 || errno == EINPROGRESS);
  expect_only(run(target, "requests=1", milliseconds(100)), 0, Failure::ConnectTimeout, 1);
}

TEST(LoadClientTest, RefusalAfterAnAnnouncedStopEndsTheGroup) {
  ScriptedServer* self = nullptr;
  ScriptedServer server({[&](Peer& peer) {
    peer.answer();
    peer.answer();
    self->stop_listening();
  }});
  self = &server;
  LoadClient client({.target = server.target(), .groups = {parse_group("think=20ms")}});
  client.expect_stop();
  const LoadResult result = client.run();
  expect_only(result, 2, Failure::Refused, 0);
  EXPECT_EQ(result.total().refused_after_stop, 1U);
  EXPECT_EQ(result.total().idle_closed, 1U);
  EXPECT_GT(result.first_refused, Nanos::zero());
}

}  // namespace
}  // namespace holdfast::testing
