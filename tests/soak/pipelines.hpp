// Clients that send many requests at once and read the answers in order.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "tests/soak/sightings.hpp"

namespace holdfast::testing {

class Pipelines {
 public:
  // Ids are <name>-1, <name>-2, ...
  Pipelines(std::string address, std::string name);
  ~Pipelines();
  Pipelines(const Pipelines&) = delete;
  Pipelines& operator=(const Pipelines&) = delete;

  void stop() { stop_ = true; }
  // Once only; adds what was seen.
  void finish(Sightings& seen);

 private:
  void run();
  void one_connection();

  const std::string address_;
  const std::string name_;
  Sightings seen_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace holdfast::testing
