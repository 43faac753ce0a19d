#include "tests/soak/ledger.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace holdfast::testing {
namespace {

// A worker writes each second; the other second is for a machine that is late.
constexpr Millis kUnwritten{2000};

const Kill* killer_of(const Lost& lost, const std::vector<Kill>& kills) {
  for (const Kill& kill : kills) {
    if (lost.at >= kill.at && kill.connections.contains(lost.ports)) return &kill;
  }
  return nullptr;
}

void judge_losses(const Sightings& seen, const std::vector<Kill>& kills, Judgement& verdict) {
  for (const Lost& lost : seen.lost) {
    if (lost.by_close && killer_of(lost, kills) != nullptr) {
      ++verdict.requests_killed;
      continue;
    }
    verdict.breaches.push_back("lost request " + lost.id + " from port " +
                               std::to_string(lost.ports.second) + ": " + lost.what);
  }
}

bool in_bad_line(const AccessLog& log, const std::string& id) {
  return std::ranges::any_of(
      log.bad(), [&](const std::string& line) { return line.find("\"" + id + "\"") != line.npos; });
}

}  // namespace

Judgement judge(const Sightings& seen, const std::vector<Kill>& kills, const AccessLog& log) {
  Judgement verdict;
  verdict.breaches = seen.complaints;
  judge_losses(seen, kills, verdict);
  verdict.lines = log.size();

  std::unordered_set<std::string> lost;
  for (const Lost& request : seen.lost) lost.insert(request.id);
  std::unordered_map<std::string, int> lines;
  std::uint64_t sockets = 0;
  for (const AccessLog::Line& line : log.lines()) {
    const std::string id = line.value("request_id", "");
    if (++lines[id] == 2) verdict.breaches.push_back("two lines: " + id);
    const std::string completion = line.value("completion", "");
    if (completion == "hijacked") {
      ++sockets;
    } else if (completion != "ok" && !lost.contains(id)) {
      verdict.breaches.push_back("a client was content, its line is not: " + line.dump());
    }
  }

  for (const Served& request : seen.served) {
    if (lines.contains(request.id)) continue;
    const auto kill = std::ranges::find(kills, request.worker, &Kill::pid);
    const bool torn = !kills.empty() && in_bad_line(log, request.id);
    if (kill == kills.end() && !torn) {
      verdict.breaches.push_back("no line: " + request.id + ", answered by " +
                                 std::to_string(request.worker));
      continue;
    }
    ++verdict.lines_killed;
    if (torn) continue;
    const auto age = std::chrono::duration_cast<Millis>(kill->stopped - request.at);
    verdict.oldest_line_killed = std::max(verdict.oldest_line_killed, age);
    if (age > kUnwritten) {
      verdict.breaches.push_back("no line: " + request.id + ", answered " +
                                 std::to_string(age.count()) + " ms before its worker was killed");
    }
  }

  // At most one write of each killed worker was under way.
  if (log.bad().size() > kills.size()) {
    for (const std::string& line : log.bad()) verdict.breaches.push_back("bad line: " + line);
  }
  const std::uint64_t wanted = seen.begun + seen.sockets_opened;
  const bool too_few = kills.empty() && log.size() < wanted;
  if (log.size() > wanted || too_few) {
    verdict.breaches.push_back(std::to_string(log.size()) + " lines for " + std::to_string(wanted) +
                               " requests");
  }
  if (seen.served.size() + seen.lost.size() < seen.begun) {
    verdict.breaches.push_back(std::to_string(seen.begun) + " requests begun, " +
                               std::to_string(seen.served.size()) + " answered, " +
                               std::to_string(seen.lost.size()) + " lost");
  }
  if (kills.empty()) {
    if (sockets != seen.sockets_opened) {
      verdict.breaches.push_back(std::to_string(sockets) + " lines of hijacked connections for " +
                                 std::to_string(seen.sockets_opened) + " WebSockets");
    }
    for (const std::string& failure : seen.socket_failures) {
      verdict.breaches.push_back("WebSocket " + failure);
    }
    if (seen.idle_resets > 0) {
      verdict.breaches.push_back(std::to_string(seen.idle_resets) + " idle connections were reset");
    }
  }
  return verdict;
}

}  // namespace holdfast::testing
