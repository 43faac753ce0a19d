#include "tests/soak/pipelines.hpp"

#include <algorithm>
#include <iterator>
#include <poll.h>

#include "tests/support/raw_client.hpp"

namespace holdfast::testing {
namespace {

constexpr int kBatches = 20;  // of one connection
constexpr int kRequests = 8;  // of one batch
constexpr int kPauseMs = 20;  // between batches

int port_of(const std::string& address) {
  return std::stoi(address.substr(address.rfind(':') + 1));
}

std::string request(const std::string& id) {
  return "POST /echo?duration=5ms HTTP/1.1\r\nHost: soak\r\nX-Request-ID: " + id +
         "\r\nContent-Length: " + std::to_string(id.size()) + "\r\n\r\n" + id;
}

}  // namespace

Pipelines::Pipelines(std::string address, std::string name)
    : address_(std::move(address)), name_(std::move(name)), thread_([this] { run(); }) {}

Pipelines::~Pipelines() {
  stop();
  if (thread_.joinable()) thread_.join();
}

void Pipelines::run() {
  while (!stop_) {
    try {
      one_connection();
    } catch (const std::exception& error) {
      seen_.complaints.push_back(name_ + ": " + error.what());
      return;
    }
  }
}

void Pipelines::one_connection() {
  RawClient client(address_);
  const Ports ports{port_of(address_), client.local_port()};
  for (int batch = 0; batch < kBatches && !stop_; ++batch) {
    std::vector<std::string> ids;
    std::string text;
    for (int i = 0; i < kRequests; ++i) {
      ids.push_back(name_ + "-" + std::to_string(++seen_.begun));
      text += request(ids.back());
    }
    auto next = ids.begin();
    std::string trouble;
    bool closing = false;
    try {
      client.send(text);
      for (; next != ids.end(); ++next) {
        const Response response = client.read_response();
        if (response.status != 200 || response.body != *next) {
          seen_.complaints.push_back(*next + ": status " + std::to_string(response.status) +
                                     ", body " + response.body.substr(0, 80));
        }
        seen_.served.push_back({.id = *next, .worker = response.pid(), .at = Clock::now()});
        closing = response.says_close();
        if (closing && std::next(next) != ids.end()) {
          seen_.complaints.push_back(*next + ": says close with requests behind it");
        }
      }
    } catch (const RawClientError& error) {
      trouble = error.what();
    }
    for (; next != ids.end(); ++next) {
      seen_.lost.push_back({*next, ports, trouble, true, Clock::now()});
    }
    if (!trouble.empty()) return;
    if (closing) {
      ++seen_.plain_closes;
      return;
    }
    ::poll(nullptr, 0, kPauseMs);
  }
}

void Pipelines::finish(Sightings& seen) {
  stop();
  thread_.join();
  seen.begun += seen_.begun;
  seen.plain_closes += seen_.plain_closes;
  std::ranges::move(seen_.served, std::back_inserter(seen.served));
  std::ranges::move(seen_.lost, std::back_inserter(seen.lost));
  std::ranges::move(seen_.complaints, std::back_inserter(seen.complaints));
}

}  // namespace holdfast::testing
