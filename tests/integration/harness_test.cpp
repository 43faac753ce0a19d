// The harness must see what it is there to see: each test here plants a fault and expects it found.
#include <csignal>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/access_log_reader.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/event_reader.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/raw_client.hpp"

namespace holdfast::testing {
namespace {

struct Spoken {
  UniqueFd read_end;
  UniqueFd write_end;
};

Spoken make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

ChildProcess shell(const std::string& script, int out = -1) {
  return ChildProcess({.argv = {"/bin/sh", "-c", script}, .out = out});
}

TEST(ChildProcessTest, TellsExitCodesFromSignals) {
  EXPECT_EQ(shell("exit 7").wait_exit(), exited(7));
  EXPECT_EQ(shell("kill -SEGV $$").wait_exit(), killed_by(SIGSEGV));
}

TEST(ChildProcessTest, LeavesNobodyBehindWhenDestroyed) {
  auto pipe = make_pipe();
  {
    const ChildProcess child = shell("sleep 1000 & echo started; wait", pipe.write_end.get());
    pipe.write_end.reset();
    ASSERT_TRUE(wait_readable(pipe.read_end.get(), kCap));
    char text[8];
    ASSERT_EQ(::read(pipe.read_end.get(), text, sizeof text), 8);
  }
  // The end of file comes when the grandchild, which holds the pipe too, is gone.
  ASSERT_TRUE(wait_readable(pipe.read_end.get(), kCap));
  char byte = 0;
  EXPECT_EQ(::read(pipe.read_end.get(), &byte, 1), 0);
  end_strays();
}

TEST(ChildProcessTest, EndsWithATestThatDies) {
  auto pipe = make_pipe();
  const pid_t test = ::fork();
  if (test == 0) {
    const ChildProcess child = shell("echo up; exec sleep 1000", pipe.write_end.get());
    char text[3];
    (void)!::read(pipe.read_end.get(), text, sizeof text);
    ::raise(SIGKILL);
  }
  pipe.write_end.reset();
  ASSERT_EQ(::waitpid(test, nullptr, 0), test);
  ASSERT_TRUE(wait_readable(pipe.read_end.get(), kCap)) << "it lives on";
  char byte = 0;
  EXPECT_EQ(::read(pipe.read_end.get(), &byte, 1), 0);
}

TEST(ChildProcessTest, ThrowsForAProgramThatCannotBeRun) {
  EXPECT_THROW(ChildProcess({.argv = {"/nonexistent/program"}}), std::system_error);
  EXPECT_THROW(ChildProcess({.argv = {"true"}, .cwd = "/nonexistent"}), std::system_error);
}

TEST(ChildProcessTest, FindsAnEscapedGrandchild) {
  auto pipe = make_pipe();
  ChildProcess parent =
      shell("setsid sh -c 'echo up; exec sleep 1000' & exec sleep 1000", pipe.write_end.get());
  ASSERT_TRUE(wait_readable(pipe.read_end.get(), kCap));
  parent.signal(SIGKILL);
  ASSERT_EQ(parent.wait_exit(), killed_by(SIGKILL));
  EXPECT_EQ(end_strays(), 1);
  EXPECT_EQ(end_strays(), 0);
}

TEST(ChildProcessTest, GivesAChildNothingButItsStandardDescriptors) {
  const UniqueFd extra(::dup(0));  // not CLOEXEC
  auto pipe = make_pipe();
  const ChildProcess child = shell("echo up; exec sleep 1000", pipe.write_end.get());
  ASSERT_TRUE(wait_readable(pipe.read_end.get(), kCap));
  EXPECT_EQ(open_fds(child.pid()).size(), 3u);
}

TEST(EventReaderTest, KeepsEventsInOrderAndTextApart) {
  auto pipe = make_pipe();
  EventReader reader(std::move(pipe.read_end));
  const ChildProcess child =
      shell(R"(printf '{"type":"event","event":"a","n":1}\nholdfast: cannot x\n{"type":"ev'; )"
            R"(printf 'ent","event":"b","n":2}\n')",
            pipe.write_end.get());
  pipe.write_end.reset();
  const auto is = [](const char* name) {
    return [name](const Event& e) { return e.name() == name; };
  };
  EXPECT_EQ(reader.wait(is("b")).value().number("n"), 2);
  EXPECT_EQ(reader.wait(is("a")).value().index, 0u);
  EXPECT_FALSE(reader.wait(is("a"), 1));  // returns at the end of the stream, not at the cap
  EXPECT_EQ(reader.text(), std::vector<std::string>{"holdfast: cannot x"});
}

TEST(AccessLogTest, SeesBadTornAndDoubledLines) {
  const auto log = AccessLog::parse(
      "{\"request_id\":\"a-1\",\"completion\":\"ok\"}\n"
      "{\"request_id\":\"a-1\",\"completion\":\"ok\"}\n"
      "{\"request_id\":\"a-2\",\"completion\":\"cut\"}\n"
      "{\"request_id\":\"\xff\"}\n"
      "{\"request_id\":\"a-4\"}");
  EXPECT_EQ(log.size(), 3u);
  EXPECT_EQ(log.bad().size(), 2u);
  EXPECT_EQ(log.duplicates(), std::vector<std::string>{"a-1"});
  EXPECT_NE(log.complaint("a", 2).find("two lines: a-1"), std::string::npos);
  EXPECT_NE(log.complaint("a", 2).find("not ok"), std::string::npos);
  EXPECT_NE(log.complaint("a", 3).find("no line: a-3"), std::string::npos);
  EXPECT_EQ(log.complaint("b", 0), "");
  EXPECT_NE(log.complaint("a", 1).find("2 lines for 1"), std::string::npos);
}

TEST(ProcessFactsTest, SeesCpuTimeAndSleep) {
  const ChildProcess busy = shell("while :; do :; done");
  const ChildProcess idle = shell("exec sleep 1000");
  while (cpu_time(busy.pid()) < Millis(50)) ::sched_yield();
  EXPECT_LT(cpu_time(idle.pid()), Millis(50));
  EXPECT_EQ(parent_of(idle.pid()), ::getpid());
  EXPECT_GT(rss_kib(idle.pid()), 100u);
}

// A server of one connection that the test plays itself.
struct Scripted {
  Scripted() {
    listener = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener.get(), reinterpret_cast<sockaddr*>(&any), sizeof any);
    ::listen(listener.get(), 8);
    socklen_t size = sizeof any;
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&any), &size);
    address = "127.0.0.1:" + std::to_string(ntohs(any.sin_port));
  }
  UniqueFd accept() const { return UniqueFd(::accept4(listener.get(), nullptr, nullptr, 0)); }
  UniqueFd listener;
  std::string address;
};

void say(const UniqueFd& fd, std::string_view text) {
  ASSERT_EQ(::send(fd.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
}

TEST(RawClientTest, TellsAResponseFromATruncatedOne) {
  const Scripted server;
  RawClient client(server.address);
  UniqueFd peer = server.accept();
  say(peer,
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi"
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
  EXPECT_EQ(client.read_response().body, "hi");
  EXPECT_EQ(client.read_response().body, "abc");
  peer.reset();
  EXPECT_THROW(client.read_response(), RawClientError);
}

TEST(RawClientTest, TellsACloseFromAResetAndFromBytes) {
  const Scripted server;
  RawClient closed(server.address);
  RawClient reset(server.address);
  RawClient open(server.address);
  server.accept();
  {
    UniqueFd peer = server.accept();
    const linger now{1, 0};
    ::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  const UniqueFd peer = server.accept();
  EXPECT_EQ(closed.wait_end(), End::Closed);
  EXPECT_EQ(reset.wait_end(), End::Reset);
  EXPECT_EQ(open.wait_end(Millis(1)), End::StillOpen);
  say(peer, "x");
  EXPECT_EQ(open.wait_end(), End::Bytes);
  EXPECT_FALSE(is_refused(server.address));
}

}  // namespace
}  // namespace holdfast::testing
