// Stands for systemd where PID 1 is not systemd: a datagram socket whose address a service finds in
// NOTIFY_SOCKET. It reads what systemd would read, with the sender's credentials, and judges
// nothing; how systemd acts on it is not tested here.
#pragma once

#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/temp_dir.hpp"

namespace holdfast::testing {

struct Notice {
  std::map<std::string, std::string> values;
  std::string text;
  pid_t sender = 0;
  std::vector<UniqueFd> fds;

  std::string get(const std::string& key) const {
    const auto found = values.find(key);
    return found == values.end() ? "" : found->second;
  }
};

class NotifyListener {
 public:
  NotifyListener() : path_(files_.file("notify")) {
    fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    const int on = 1;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("bind " + path_);
  }

  const std::string& path() const { return path_; }
  std::map<std::string, std::string> environment() const { return {{"NOTIFY_SOCKET", path_}}; }

  // The next datagram; throws when none comes within `cap`.
  Notice next(Millis cap = kCap) {
    if (!wait_readable(fd_.get(), cap)) throw std::runtime_error("no notification came");
    std::string text(8'192, '\0');
    iovec bytes{text.data(), text.size()};
    alignas(cmsghdr) char control[512] = {};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t n = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
    if (n < 0) throw std::runtime_error("recvmsg");
    text.resize(static_cast<std::size_t>(n));
    Notice notice;
    notice.text = text;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_type == SCM_CREDENTIALS) {
        ucred who{};
        std::memcpy(&who, CMSG_DATA(part), sizeof who);
        notice.sender = who.pid;
      } else if (part->cmsg_type == SCM_RIGHTS) {
        for (std::size_t at = 0; at + sizeof(int) <= part->cmsg_len - CMSG_LEN(0);
             at += sizeof(int)) {
          int fd = -1;
          std::memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
          notice.fds.emplace_back(fd);
        }
      }
    }
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const std::string line = text.substr(begin, end - begin);
      const std::size_t equals = line.find('=');
      notice.values[line.substr(0, equals)] =
          equals == std::string::npos ? "" : line.substr(equals + 1);
      begin = end + 1;
    }
    return notice;
  }

  // Skips those without `key`.
  Notice next_with(const std::string& key, Millis cap = kCap) {
    const TimePoint deadline = Clock::now() + cap;
    while (true) {
      const auto left = std::chrono::duration_cast<Millis>(deadline - Clock::now());
      if (left <= Millis{0}) throw std::runtime_error("no notification with " + key);
      Notice notice = next(left);
      if (notice.values.contains(key)) return notice;
    }
  }

  bool silent_for(Millis time) { return !wait_readable(fd_.get(), time); }

 private:
  TempDir files_;
  std::string path_;
  UniqueFd fd_;
};

}  // namespace holdfast::testing
