// What the modes of the load client put on the wire, and how a run ends.
#include <future>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <set>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/load_client.hpp"
#include "tests/support/load_client_scripted_server.hpp"

namespace holdfast::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

LoadResult run(const std::string& target, const std::string& group) {
  LoadClient client({.target = target, .groups = {parse_group(group)}});
  return client.run();
}

void expect_all_ok(const LoadResult& result, std::uint64_t ok) {
  EXPECT_EQ(result.total().ok, ok) << result.summary();
  EXPECT_EQ(result.failed(), 0U) << result.summary();
  EXPECT_EQ(result.total().aborted, 0U);
}

void answer_until_closed(Peer& peer) {
  while (!peer.read_request().empty()) peer.send(kHello);
}

std::string with_body(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

TEST(LoadClientModesTest, PostsCarryUniqueBodiesAndIds) {
  std::set<std::string> bodies;
  std::set<std::string> ids;
  ScriptedServer server({[&](Peer& peer) {
    for (std::string request; !(request = peer.read_request()).empty();) {
      const std::string body = request.substr(request.find("\r\n\r\n") + 4);
      bodies.insert(body);
      const std::size_t id = request.find("X-Request-ID: ") + 14;
      ids.insert(request.substr(id, request.find('\r', id) - id));
      peer.send(with_body(body));
    }
  }});
  expect_all_ok(run(server.target(), "name=p,post=100%,body=300,ids=1,requests=20"), 20);
  EXPECT_EQ(bodies.size(), 20U);
  EXPECT_EQ(bodies.begin()->size(), 300U);
  EXPECT_TRUE(ids.contains("p-1") && ids.contains("p-20"));
}

TEST(LoadClientModesTest, AnotherRequestsEchoIsWrong) {
  std::string first;
  ScriptedServer server({[&](Peer& peer) {
    for (std::string request; !(request = peer.read_request()).empty();) {
      if (first.empty()) first = request.substr(request.find("\r\n\r\n") + 4);
      peer.send(with_body(first));
    }
  }});
  const LoadResult result = run(server.target(), "post=100%,requests=2");
  EXPECT_EQ(result.total().count(Failure::WrongBody), 1U) << result.summary();
}

TEST(LoadClientModesTest, UnderstandsChunksHeadInterimAndEof) {
  ScriptedServer chunked({[](Peer& peer) {
    peer.read_request();
    for (const char byte :
         std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "6\r\nHello,\r\n7;x=y\r\n world!\r\n0\r\nTrailer: x\r\n\r\n")) {
      peer.send(std::string(1, byte));
    }
    peer.answer("HTTP/1.1 103 Early Hints\r\n\r\n" + std::string(kHello));
    peer.wait_for_close();
  }});
  expect_all_ok(run(chunked.target(), "requests=2"), 2);

  ScriptedServer head({[](Peer& peer) {
    peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n");
    peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n");
    peer.wait_for_close();
  }});
  expect_all_ok(run(head.target(), "method=HEAD,requests=2"), 2);

  ScriptedServer old({[](Peer& peer) { peer.answer("HTTP/1.0 200 OK\r\n\r\nHello, world!"); }});
  expect_all_ok(run(old.target(), "requests=2"), 2);
}

TEST(LoadClientModesTest, NewConnectionForEachRequest) {
  std::atomic<int> closes = 0;
  ScriptedServer server({[&](Peer& peer) {
    const std::string request = peer.read_request();
    if (request.find("Connection: close") != std::string::npos) ++closes;
    peer.send(kHello);
    peer.wait_for_close();
  }});
  expect_all_ok(run(server.target(), "mode=new,requests=5"), 5);
  expect_all_ok(run(server.target(), "mode=new,requests=5,close=1"), 5);
  EXPECT_EQ(server.accepted(), 10);
  EXPECT_EQ(closes, 5);
}

TEST(LoadClientModesTest, ClosesAfterAGivenNumberOfRequests) {
  ScriptedServer server({answer_until_closed});
  const LoadResult result = run(server.target(), "per_connection=3,requests=9");
  expect_all_ok(result, 9);
  EXPECT_EQ(result.total().connects, 3U);
}

TEST(LoadClientModesTest, UploadsAtARate) {
  std::size_t got = 0;
  ScriptedServer server({[&](Peer& peer) {
    got = peer.read_request().size();
    peer.send(with_body("{\"bytes\":1048576}\n"));
    peer.wait_for_close();
  }});
  const LoadResult result =
      run(server.target(), "mode=upload,path=/upload,size=1MiB,rate=10MiB/s,requests=1");
  expect_all_ok(result, 1);
  EXPECT_GT(got, 1U << 20);
  EXPECT_GE(result.duration, milliseconds(90));
}

TEST(LoadClientModesTest, EarlyAnswerToAnUploadCounts) {
  ScriptedServer server({[](Peer& peer) {
    char byte = 0;
    recv(peer.fd(), &byte, 1, 0);
    peer.send("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    peer.half_close();
  }});
  expect_all_ok(run(server.target(), "mode=upload,size=50MiB,requests=1,expect=413"), 1);
}

// As the kernel counts them: the server may come late and find several at once.
unsigned segments_received(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  EXPECT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  return info.tcpi_data_segs_in;
}

TEST(LoadClientModesTest, SendsSlowlyAndInHalves) {
  unsigned segments = 0;
  const Script count_segments = [&](Peer& peer) {
    peer.read_request();
    segments = segments_received(peer.fd());
    peer.send(kHello);
    peer.wait_for_close();
  };
  ScriptedServer slow({count_segments});
  expect_all_ok(run(slow.target(), "mode=slowsend,pieces=4,over=80ms,requests=1"), 1);
  EXPECT_GE(segments, 3U);
  segments = 0;
  ScriptedServer half({count_segments});
  expect_all_ok(run(half.target(), "mode=halfhead,think=50ms,requests=1"), 1);
  EXPECT_EQ(segments, 2U);
}

TEST(LoadClientModesTest, PreconnectSendsNothingForAWhile) {
  bool silent = false;
  ScriptedServer server({[&](Peer& peer) {
                           char byte = 0;
                           silent = recv(peer.fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
                           peer.answer();
                           peer.wait_for_close();
                         },
                         [](Peer& peer) { shutdown(peer.fd(), SHUT_WR); }});
  const LoadResult result = run(server.target(), "mode=preconnect,think=100ms,requests=2");
  EXPECT_TRUE(silent);
  EXPECT_EQ(result.total().ok, 1U) << result.summary();
  EXPECT_EQ(result.total().count(Failure::FreshEof), 1U) << "closed while it was owed its request";
  EXPECT_EQ(result.total().begun, 1U);
}

TEST(LoadClientModesTest, RawBytes) {
  ScriptedServer rejects({[](Peer& peer) {
    EXPECT_EQ(peer.read_request(), "BAD\x01\r\n\r\n");
    peer.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  }});
  expect_all_ok(run(rejects.target(), "mode=raw,text=BAD\\x01\\r\\n\\r\\n,expect=400,requests=2"),
                2);
  ScriptedServer closes({[](Peer& peer) { peer.read_request(); }});
  expect_all_ok(run(closes.target(), "mode=raw,text=x\\r\\n\\r\\n,expect=close,requests=2"), 2);
}

TEST(LoadClientModesTest, IdleConnectionsReportOnlyCloses) {
  ScriptedServer server({[](Peer& peer) { peer.answer(); }, answer_until_closed});
  LoadClient client({.target = server.target(),
                     .groups = {parse_group("mode=idle,connections=1"),
                                parse_group("name=second,mode=idle,connections=1")},
                     .duration = milliseconds(200)});
  const LoadResult result = client.run();
  expect_all_ok(result, 2);
  EXPECT_EQ(result.total().idle_closed, 1U);
  EXPECT_EQ(result.total().parked, 1U);
  EXPECT_EQ(result.total().connects, 2U);
}

TEST(LoadClientModesTest, AWokenConnectionAsksOnceMore) {
  ScriptedServer server({answer_until_closed});
  LoadClient client({.target = server.target(),
                     .groups = {parse_group("mode=idle,ids=1")},
                     .keep_answers = true});
  client.start();
  for (std::uint64_t asked = 1; asked <= 3; ++asked) {
    ASSERT_TRUE(client.wait_for_requests(asked));
    if (asked < 3) client.wake();
  }
  const LoadResult result = client.finish();
  EXPECT_EQ(client.wakes(), 2U);
  EXPECT_EQ(client.connections_awake(), 0U);
  expect_all_ok(result, 3);
  EXPECT_EQ(result.total().connects, 1U);
  EXPECT_EQ(result.total().parked, 1U);
  EXPECT_EQ(result.total().generations.at("7"), 3U);
  ASSERT_EQ(result.answers.size(), 3U);
  EXPECT_EQ(result.answers[2].group, "default");
  EXPECT_EQ(result.answers[2].serial, 3U);
  EXPECT_EQ(result.answers[2].worker, 42);
}

TEST(LoadClientModesTest, AWokenConnectionThatIsLostIsNotReplaced) {
  ScriptedServer server({[](Peer& peer) {
                           peer.answer();
                           peer.read_request();
                         },
                         answer_until_closed});
  LoadClient client({.target = server.target(), .groups = {parse_group("mode=idle")}});
  client.start();
  ASSERT_TRUE(client.wait_for_requests(1));
  client.wake();
  const LoadResult result = client.join();
  EXPECT_EQ(result.total().count(Failure::ReusedEof), 1U) << result.summary();
  EXPECT_EQ(result.total().connects, 1U);
  EXPECT_EQ(result.total().parked, 0U);
}

TEST(LoadClientModesTest, UnixSocket) {
  const std::string path = "/tmp/holdfast_load_client_" + std::to_string(getpid());
  {
    ScriptedServer server({answer_until_closed}, path);
    expect_all_ok(run("unix:" + path, "requests=5"), 5);
    expect_all_ok(run("unix:" + path, "requests=5,mode=new"), 5);
  }
  unlink(path.c_str());
}

// A run whose one request is in the server's hands until release() is called.
struct HeldRequest {
  HeldRequest()
      : server({[this](Peer& peer) {
          peer.read_request();
          arrived.set_value();
          released.get_future().wait();
          peer.send(kHello);
          answer_until_closed(peer);
        }}),
        client({.target = server.target(), .groups = {GroupOptions{}}}) {
    client.start();
    arrived.get_future().wait();
  }
  std::promise<void> arrived;
  std::promise<void> released;
  ScriptedServer server;
  LoadClient client;
};

TEST(LoadClientModesTest, StopWaitsForRequestsInFlight) {
  HeldRequest held;
  held.client.stop();
  held.released.set_value();
  expect_all_ok(held.client.join(), 1);
}

TEST(LoadClientModesTest, SecondStopGivesThemUp) {
  HeldRequest held;
  held.client.stop();
  held.client.stop();
  const LoadResult result = held.client.join();
  held.released.set_value();
  EXPECT_EQ(result.total().aborted, 1U);
  EXPECT_EQ(result.total().ok + result.failed(), 0U);
}

TEST(LoadClientModesTest, LatenciesAfterAMarkAreKeptApart) {
  HeldRequest held;
  held.client.mark();
  held.released.set_value();
  ASSERT_TRUE(held.client.wait_for_requests(1));
  ASSERT_TRUE(held.client.wait_for_requests(100));
  const LoadResult result = held.client.finish();
  EXPECT_EQ(result.marks.size(), 1U);
  EXPECT_GE(result.total().window.count(), 1U);
  EXPECT_EQ(result.total().window.count() + result.total().steady.count(), result.total().ok);
}

TEST(LoadClientModesTest, WaitEndsWithTheRun) {
  ScriptedServer server({answer_until_closed});
  LoadClient client({.target = server.target(), .groups = {parse_group("requests=10")}});
  client.start();
  EXPECT_FALSE(client.wait_for_requests(1000, seconds(20)));
  EXPECT_EQ(client.requests_done(), 10U);
  expect_all_ok(client.join(), 10);
}

TEST(LoadClientModesTest, ResultAsJson) {
  ScriptedServer server({answer_until_closed});
  const auto json = to_json(run(server.target(), "name=g,requests=10"));
  EXPECT_EQ(json["requests"], 10);
  EXPECT_EQ(json["failed_total"], 0);
  EXPECT_TRUE(json["failures"].empty());
  EXPECT_EQ(json["groups"]["g"]["begun"], 10);
  EXPECT_EQ(json["generations"]["7"], 10);
  EXPECT_EQ(json["latency"]["steady"]["count"], 10);
  EXPECT_EQ(json["timeline"]["bucket_ms"], 10);
}

TEST(LoadClientModesTest, BadSpecificationsAreRejected) {
  for (const char* spec : {"nonsense", "mode=what", "think=fast", "think=10", "size=1XB",
                           "connections=0", "unknown=1"}) {
    EXPECT_THROW(parse_group(spec), std::invalid_argument) << spec;
  }
  const GroupOptions group = parse_group("think=0-50ms,post=30%,size=10MiB,rate=5MiB/s");
  EXPECT_EQ(group.think.high, milliseconds(50));
  EXPECT_EQ(group.post_percent, 30);
  EXPECT_EQ(group.upload_size, 10U << 20);
  EXPECT_EQ(group.upload_rate, 5U << 20);
  for (const char* target : {"", "127.0.0.1", "nohost:80", "unix:", "[::1:80"}) {
    EXPECT_THROW(Target{target}, std::invalid_argument) << target;
  }
}

TEST(HistogramTest, PercentilesAreWithinOnePercent) {
  Histogram histogram;
  for (int i = 1; i <= 100'000; ++i) histogram.record(Nanos(i * 1000LL));
  for (const double share : {0.5, 0.9, 0.99, 0.999}) {
    const double exact = share * 1e8;
    EXPECT_NEAR(static_cast<double>(histogram.percentile(share).count()), exact, exact * 0.01);
  }
  EXPECT_EQ(histogram.max(), Nanos(100'000'000));
  EXPECT_EQ(Histogram().percentile(0.99), Nanos(0));
}

}  // namespace
}  // namespace holdfast::testing
