// A demo worker whose supervisor is the test: it is greeted, welcomed and told what the test likes,
// and says what it says. Throws when it says nothing or leaves.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "shared/io/bind_listener.hpp"
#include "shared/io/channel_end.hpp"
#include "shared/io/fd_passing.hpp"
#include "shared/io/syscall.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/supervisor_run.hpp"

namespace holdfast::testing {

class PlayedSupervisorTest : public ::testing::Test {
 protected:
  // Starts it and waits for its hello.
  void start_worker() {
    auto pair = seqpacket_pair().value();
    const int theirs = pair.second.get();
    worker = std::make_unique<ChildProcess>(
        ChildOptions{.argv = {demo_path()},
                     .environment = {{"HOLDFAST_CHANNEL_FD", std::to_string(theirs)}},
                     .pass = {theirs}});
    pair.second.reset();
    channel = std::make_unique<ChannelEnd>(std::move(pair.first));
    wait_for<Hello>();
  }

  // Binds a listener for each name of `welcome` and lets it accept; `logs` are for welcome.fds.
  void let_it_accept(Welcome welcome, const std::vector<std::string>& names,
                     std::vector<UniqueFd> logs = {}) {
    welcome.generation = GenerationId{1};
    welcome.worker = WorkerId{1};
    std::vector<UniqueFd> fds;
    for (const std::string& name : names) {
      BoundListener bound =
          bind_listener(parse_listener_spec("127.0.0.1:0").value().address).value();
      addresses.push_back(bound.address);
      welcome.listeners.push_back({name, bound.address});
      fds.push_back(std::move(bound.fd));
    }
    for (UniqueFd& log : logs) fds.push_back(std::move(log));
    channel->send(welcome, std::move(fds));
    wait_for<Ready>();
    channel->send(Accept{});
    wait_for<Accepting>();
  }

  template <typename Message>
  Message wait_for() {
    for (;;) {
      if (!wait_readable(channel->fd(), kCap)) throw std::runtime_error("the worker says nothing");
      auto received = channel->receive();
      if (!received) throw std::runtime_error(received.error().message);
      if (received->kind == Received::Kind::Eof) throw std::runtime_error("the worker has left");
      if (received->kind != Received::Kind::Message) continue;
      if (const auto* stats = std::get_if<Stats>(&received->message)) last = *stats;
      if (const auto* message = std::get_if<Message>(&received->message)) return *message;
    }
  }

  std::unique_ptr<ChildProcess> worker;
  std::unique_ptr<ChannelEnd> channel;
  std::vector<std::string> addresses;  // of its listeners
  Stats last;                          // that it said
};

}  // namespace holdfast::testing
