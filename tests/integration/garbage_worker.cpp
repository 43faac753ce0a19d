// A worker that breaks the control protocol in the way its only argument names, then hangs until it
// is killed. What the supervisor may do about each: refuse the worker. What it may never do: die,
// hang, leak a descriptor, or let a client notice.
#include <cstdlib>
#include <functional>
#include <map>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

int channel = -1;

void say(std::string_view bytes, const std::vector<int>& fds = {}) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::copy(fds.begin(), fds.end(), reinterpret_cast<int*>(CMSG_DATA(head)));
  }
  ::sendmsg(channel, &message, MSG_NOSIGNAL);
}

std::string hello(std::string_view protocol = R"({"min":1,"max":1})", long pid = ::getpid()) {
  return R"({"type":"hello","protocol":)" + std::string(protocol) + R"(,"pid":)" +
         std::to_string(pid) + R"(,"library":"garbage","features":[]})";
}

// Takes the next message and closes whatever came with it.
void hear() {
  pollfd wanted{channel, POLLIN, 0};  // the channel is nonblocking
  ::poll(&wanted, 1, -1);
  char text[32 * 1024];
  alignas(cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))];
  iovec part{text, sizeof text};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(channel, &message, MSG_CMSG_CLOEXEC) <= 0) std::exit(0);
}

// As a good worker, until it has been told to accept.
void behave_until_accept() {
  say(hello());
  hear();  // welcome
  say(R"({"type":"ready"})");
  hear();  // accept
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

const std::map<std::string_view, std::function<void()>> kSins = {
    {"not-json", [] { say("hello, supervisor"); }},
    {"no-type", [] { say(R"({"greeting":"hello"})"); }},
    {"wrong-types", [] { say(R"({"type":"hello","protocol":"one","pid":"me","features":7})"); }},
    {"huge", [] { say(R"({"type":"hello","library":")" + std::string(100'000, 'x') + "\"}"); }},
    {"binary", [] { say(std::string(4096, '\0') + "\xff\xfe\x80"); }},
    {"deep", [] { say(repeated("[", 16'000)); }},
    {"unasked-fds",
     [] {
       say(hello(), {0, 1, 2});
     }},
    {"too-many-fds", [] { say("{}", std::vector<int>(253, 1)); }},
    {"ready-first", [] { say(R"({"type":"ready"})"); }},
    {"accepting-first", [] { say(R"({"type":"accepting"})"); }},
    {"drained-first",
     [] { say(R"({"type":"drained","served":1,"handed_off":0,"closed_idle":0,"cut":0})"); }},
    {"wrong-protocol", [] { say(hello(R"({"min":900,"max":901})")); }},
    {"required-unknown",
     [] {
       say(hello());
       say(R"({"type":"sing","required":true})");
     }},
    {"close", [] { ::close(channel); }},
    {"shutdown", [] { ::shutdown(channel, SHUT_RDWR); }},
    {"flood",
     [] {
       say(hello());
       for (int i = 0; i < 200'000; ++i) say(R"({"type":"pong"})");
     }},
    {"deaf-to-accept", [] { behave_until_accept(); }},
    {"dies-at-accept",
     [] {
       behave_until_accept();
       ::_exit(7);
     }},
    {"hangs-up-at-accept",
     [] {
       behave_until_accept();
       ::close(channel);
     }},
    {"drains-at-accept",
     [] {
       behave_until_accept();
       say(R"({"type":"draining","reason":"operator"})");
     }},
    {"wrong-pid", [] { say(hello(R"({"min":1,"max":1})", 1)); }},
};

}  // namespace

int main(int argc, char** argv) {
  const char* number = std::getenv("HOLDFAST_CHANNEL_FD");
  if (argc != 2 || number == nullptr || !kSins.contains(argv[1])) return 64;
  channel = std::atoi(number);
  kSins.at(argv[1])();
  for (;;) ::pause();
}
