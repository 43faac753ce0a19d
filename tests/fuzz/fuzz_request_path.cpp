// Any bytes through the whole path of a request: what comes back are well-formed responses, one
// log line each, whatever the pieces in which the bytes came; nothing hangs, nothing is left.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/fuzz/require.hpp"
#include "tests/support/request_path.hpp"

using namespace holdfast::testing;

namespace {

struct Reading {
  std::vector<std::string> handled;
  std::vector<int> statuses;
  bool operator==(const Reading&) const = default;
};

Reading check(RequestPath& path, std::string_view bytes, std::size_t step) {
  const PathResult result = path.run(bytes, step);
  HOLDFAST_REQUIRE(!result.hung);
  HOLDFAST_REQUIRE(result.left == 0);
  HOLDFAST_REQUIRE(result.bad_line.empty());
  std::vector<std::string> methods;
  for (const std::string& request : result.handled)
    methods.push_back(request.substr(0, request.find(' ')));
  std::string fault;
  const auto responses = read_responses(result.sent, methods, fault);
  if (!fault.empty()) std::fprintf(stderr, "%s\n", fault.c_str());
  HOLDFAST_REQUIRE(fault.empty());
  HOLDFAST_REQUIRE(responses.size() >= result.handled.size() ||
                   !result.lines.empty());  // the last one may not have been sent

  Reading reading;
  reading.handled = result.handled;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::size_t requests = 0;
  for (const auto& line : result.lines) {
    if (line["type"] == "proxy_header") continue;
    HOLDFAST_REQUIRE(line["type"] == "access");
    const int status = line["http_status_code"];
    sent += line["bytes_sent"].get<std::uint64_t>();
    received += line["bytes_received"].get<std::uint64_t>();
    if (requests < responses.size()) {
      HOLDFAST_REQUIRE(responses[requests].status == status);
      HOLDFAST_REQUIRE(responses[requests].whole || line["completion"] != "ok");
    } else {
      HOLDFAST_REQUIRE(line["completion"] == "client_aborted");
    }
    ++requests;
    reading.statuses.push_back(status);
  }
  // One line a response, and one for a request that the client did not finish.
  HOLDFAST_REQUIRE(requests == responses.size() || requests == responses.size() + 1);
  HOLDFAST_REQUIRE(sent == result.sent.size());
  HOLDFAST_REQUIRE(received <= bytes.size());
  return reading;
}

}  // namespace

// The first byte says in what pieces and with what handlers; the rest is the connection.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 32 * 1024) return 0;
  static RequestPath plain({.proxy_protocol = false});
  static RequestPath streaming(
      {.handlers = RequestPathOptions::Handlers::Stream, .proxy_protocol = false});
  static RequestPath proxied({.proxy_protocol = true});
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  RequestPath& path = data[0] >= 240 ? proxied : data[0] % 2 == 0 ? plain : streaming;
  const Reading whole = check(path, bytes, std::max<std::size_t>(bytes.size(), 1));
  const std::size_t step = std::size_t{1} + data[0] / 2;
  // Each piece is a turn of the event loop.
  if (bytes.size() / step < 200) HOLDFAST_REQUIRE(check(path, bytes, step) == whole);
  return 0;
}
