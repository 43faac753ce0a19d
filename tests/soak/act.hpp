// One supervisor's life under every kind of client and every order an operator can give, in rounds
// that are each held to the promises.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "tests/soak/clients.hpp"
#include "tests/soak/ledger.hpp"
#include "tests/soak/operator.hpp"
#include "tests/support/certificate.hpp"

namespace holdfast::testing {

struct ActOptions {
  std::string idle;  // of --idle; empty: the supervisor has no such option
  std::uint64_t seed = 0;
  std::chrono::seconds duration{};
  int workers = 2;
};

struct ActReport {
  int rounds = 0;
  std::uint64_t reloads = 0;
  std::uint64_t reloads_failed = 0;
  Deeds deeds;  // without the kills' details
  std::uint64_t kills = 0;
  std::uint64_t requests = 0;
  std::uint64_t echoes = 0;
  std::uint64_t sockets = 0;
  std::uint64_t closes = 0;
  Judgement ledger;  // sums
  std::uint64_t handed_off = 0;
  std::uint64_t closed_idle = 0;
  std::uint64_t rss_early_kib = 0;
  std::uint64_t rss_late_kib = 0;
  std::size_t descriptors = 0;
  std::vector<std::string> breaches;
  std::string events;  // the last ones, where there was a breach
};

// Ends at the first round with a breach.
ActReport play(const ActOptions& options);

}  // namespace holdfast::testing
