// Whatever is in the record, the line is one valid JSON object of at most 4,096 bytes.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/fuzz/require.hpp"
#include "worker/core/access_record.hpp"

using namespace holdfast;
using namespace holdfast::worker;

namespace {

// Takes the input apart: a length of two bytes, then that many bytes; once it is used up, nothing.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}

  std::string_view text() {
    const std::size_t size = number(2) & 0xfff;
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (; bytes > 0 && !rest_.empty(); --bytes, rest_.remove_prefix(1))
      value = value << 8 | static_cast<unsigned char>(rest_.front());
    return value;
  }

 private:
  std::string_view rest_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input({reinterpret_cast<const char*>(data), size});
  AccessRecord record;
  record.completion = static_cast<Completion>(input.number(1) % 7);
  record.http_status_code = static_cast<int>(input.number(2) % 1000);
  record.draining = input.number(1) % 2 == 1;
  record.remote_port = static_cast<std::uint16_t>(input.number(2));
  record.url = input.text();
  record.http_user_agent = input.text();
  record.http_referer = input.text();
  record.http_host = input.text();
  record.http_method = input.text();
  record.protocol = input.text();
  record.request_id = input.text();
  record.listener = input.text();
  record.remote_ipaddr = input.text();
  record.client_ip = input.text();
  record.label = input.text();
  TlsInfo tls;
  if (input.number(1) % 2 == 1) record.tls = &tls;
  tls.server_name = input.text();
  tls.version = input.text();
  tls.cipher = input.text();
  tls.alpn = input.text();
  tls.resumed = input.number(1) % 2 == 1;
  std::vector<LogField> fields;
  for (std::size_t count = input.number(1) % 48; count > 0; --count) {
    const auto kind = static_cast<LogField::Kind>(input.number(1) % 2);
    const std::string_view key = input.text();
    fields.push_back({key, input.text(), kind});
  }
  record.fields = fields;
  record.response_time = std::chrono::microseconds(static_cast<std::int64_t>(input.number(8)));
  record.logged_at = WallTime(std::chrono::microseconds(input.number(6)));
  record.start_at = WallTime(std::chrono::microseconds(input.number(6)));
  for (std::uint64_t* number :
       {&record.request_size, &record.response_size, &record.bytes_received, &record.bytes_sent,
        &record.conn_id.generation, &record.conn_id.worker, &record.conn_id.number,
        &record.conn_requests, &record.pid, &record.worker, &record.generation,
        &record.handed_off_from}) {
    *number = input.number(8);
  }

  std::string line = "before";
  append_access_line(line, record);
  HOLDFAST_REQUIRE(line.starts_with("before"));
  line.erase(0, 6);
  HOLDFAST_REQUIRE(!line.empty() && line.size() <= kMaxAccessLine);
  HOLDFAST_REQUIRE(line.find('\n') == line.size() - 1);
  const auto json = nlohmann::json::parse(line, nullptr, false);
  HOLDFAST_REQUIRE(json.is_object());
  HOLDFAST_REQUIRE(json["type"] == "access");
  HOLDFAST_REQUIRE(json["http_status_code"] == record.http_status_code);
  HOLDFAST_REQUIRE(json["conn_requests"] == record.conn_requests);
  // What is neither there nor named as truncated was empty.
  const auto names = [&](const char* key) {
    if (!json.contains("truncated")) return false;
    for (const auto& name : json["truncated"]) {
      if (name == key) return true;
    }
    return false;
  };
  HOLDFAST_REQUIRE(record.url.empty() || json.contains("url") || names("url"));
  HOLDFAST_REQUIRE(record.http_referer.empty() || json.contains("http_referer") ||
                   names("http_referer"));
  HOLDFAST_REQUIRE(json.contains("tls") == (record.tls != nullptr));
  if (record.tls != nullptr) {
    HOLDFAST_REQUIRE(json["tls"]["resumed"] == tls.resumed);
    HOLDFAST_REQUIRE(tls.server_name.empty() || json["tls"].contains("server_name") ||
                     names("tls.server_name"));
  }
  return 0;
}
