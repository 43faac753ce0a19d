#include "worker/core/handshake_record.hpp"

namespace holdfast::worker {
namespace {

void append_text(std::string& out, std::string_view opening, std::string_view value) {
  if (value.empty()) return;
  out += opening;
  append_json_text(out, value, kMaxHandshakeText);
  out += '"';
}

}  // namespace

void append_handshake_line(std::string& out, const HandshakeRecord& record) {
  out += R"({"logged_at":")";
  append_timestamp(out, record.logged_at);
  out += R"(","type":")";
  out += record.type;
  out += R"(","severity":"warning")";
  append_text(out, R"(,"error":")", record.error);
  append_text(out, R"(,"remote_ipaddr":")", record.remote_ipaddr);
  if (record.remote_port != 0) out += ",\"remote_port\":" + std::to_string(record.remote_port);
  append_text(out, R"(,"client_ip":")", record.client_ip);
  append_text(out, R"(,"listener":")", record.listener);
  out += R"(,"conn_id":")" + std::to_string(record.conn_id.generation) + '-' +
         std::to_string(record.conn_id.worker) + '-' + std::to_string(record.conn_id.number);
  out += R"(","pid":)" + std::to_string(record.pid);
  out += R"(,"worker":)" + std::to_string(record.worker);
  out += R"(,"generation":)" + std::to_string(record.generation);
  out += "}\n";
}

}  // namespace holdfast::worker
