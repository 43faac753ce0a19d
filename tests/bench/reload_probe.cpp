// reload_probe TARGET HEADER PID [OLD_PID...]: sends HUP to PID and asks TARGET over new
// connections, one after another, until HEADER has another value than before; then waits until
// every OLD_PID has exited. Prints one JSON line: ms from the signal to the end of the first new
// answer, to the last old answer seen, and to the exit of the last old process (absent without
// OLD_PID).
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/load_client_response.hpp"
#include "tests/support/load_client_socket.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using holdfast::UniqueFd;
using holdfast::testing::ResponseReader;
using holdfast::testing::Target;

constexpr std::chrono::seconds kPatience(20);

double millis_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

bool wait_for(int fd, short events) {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  return poll(&entry, 1, std::chrono::milliseconds(kPatience).count()) == 1;
}

class Asker {
 public:
  Asker(const std::string& target, std::string header)
      : target_(target),
        header_(std::move(header)),
        request_("GET / HTTP/1.1\r\nHost: " + target_.host() + "\r\n\r\n") {}

  // The header's value; empty when the request failed.
  std::string ask() {
    UniqueFd socket;
    const int error = target_.connect(socket);
    if (error != 0 && error != EINPROGRESS) return {};
    if (!wait_for(socket.get(), POLLOUT)) return {};
    if (send(socket.get(), request_.data(), request_.size(), MSG_NOSIGNAL) < 0) return {};
    ResponseReader response;
    response.watch(header_, "");
    response.begin(false, nullptr);
    std::array<char, 8192> bytes{};
    while (!response.done()) {
      if (!wait_for(socket.get(), POLLIN)) return {};
      const ssize_t n = recv(socket.get(), bytes.data(), bytes.size(), 0);
      if (n < 0 || (n == 0 && !response.feed_eof())) return {};
      response.feed({bytes.data(), static_cast<std::size_t>(n)});
      if (response.bad()) return {};
    }
    return response.generation();
  }

 private:
  Target target_;
  std::string header_;
  std::string request_;
};

std::vector<UniqueFd> open_processes(int count, char** pids) {
  std::vector<UniqueFd> processes;
  for (int i = 0; i < count; ++i) {
    UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, std::stoi(pids[i]), 0)));
    if (!fd) throw std::runtime_error("cannot watch process " + std::string(pids[i]));
    processes.push_back(std::move(fd));
  }
  return processes;
}

int run(int argc, char** argv) {
  Asker asker(argv[1], argv[2]);
  const std::string before = asker.ask();
  if (before.empty()) throw std::runtime_error("cannot get header " + std::string(argv[2]));
  const std::vector<UniqueFd> old = open_processes(argc - 4, argv + 4);

  nlohmann::ordered_json out{{"polls", 0}, {"failed", 0}};
  double last_old = 0;
  const Clock::time_point start = Clock::now();
  if (kill(std::stoi(argv[3]), SIGHUP) != 0) throw std::runtime_error("cannot signal");
  for (int polls = 1;; ++polls) {
    const std::string now = asker.ask();
    out["polls"] = polls;
    if (now.empty()) {
      out["failed"] = out["failed"].get<int>() + 1;
    } else if (now != before) {
      break;
    } else {
      last_old = millis_since(start);
    }
    if (millis_since(start) > std::chrono::milliseconds(kPatience).count()) {
      throw std::runtime_error("no new generation answered");
    }
  }
  out["first_new_ms"] = millis_since(start);
  out["last_old_ms"] = last_old;
  for (const UniqueFd& process : old) {
    if (!wait_for(process.get(), POLLIN)) throw std::runtime_error("an old process stays");
  }
  if (!old.empty()) out["old_gone_ms"] = millis_since(start);
  std::cout << out.dump() << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: reload_probe TARGET HEADER PID [OLD_PID...]\n";
    return 2;
  }
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "reload_probe: " << error.what() << "\n";
    return 1;
  }
}
