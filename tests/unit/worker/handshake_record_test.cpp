#include "worker/core/handshake_record.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace holdfast::worker {
namespace {

HandshakeRecord typical() {
  HandshakeRecord record;
  record.logged_at = WallTime(std::chrono::microseconds(1'767'323'045'000'006));
  record.error = "no shared cipher";
  record.remote_ipaddr = "192.0.2.7";
  record.remote_port = 40122;
  record.listener = "https";
  record.conn_id = {3, 7, 1042};
  record.pid = 4711;
  record.worker = 7;
  record.generation = 3;
  return record;
}

TEST(HandshakeRecordTest, LineHasTheSchemasKeysInItsOrder) {
  std::string line;
  append_handshake_line(line, typical());
  EXPECT_EQ(line,
            R"({"logged_at":"2026-01-02T03:04:05.000006Z","type":"tls_handshake",)"
            R"("severity":"warning","error":"no shared cipher","remote_ipaddr":"192.0.2.7",)"
            R"("remote_port":40122,"listener":"https","conn_id":"3-7-1042","pid":4711,"worker":7,)"
            R"("generation":3})"
            "\n");
}

TEST(HandshakeRecordTest, WhateverTheBytesItIsOneShortValidLine) {
  const std::string hostile(5000, '\x01');
  HandshakeRecord record = typical();
  record.error = record.remote_ipaddr = record.client_ip = record.listener = hostile;
  record.conn_id = {~0ULL, ~0ULL, ~0ULL};
  record.pid = record.worker = record.generation = ~0ULL;
  std::string line;
  append_handshake_line(line, record);
  EXPECT_LE(line.size(), kMaxAccessLine);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_FALSE(nlohmann::json::parse(line, nullptr, false).is_discarded());
}

}  // namespace
}  // namespace holdfast::worker
