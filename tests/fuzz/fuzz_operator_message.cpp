// Whatever comes in pieces is read as lines; whatever decodes comes back the same; whatever is
// refused is refused with one line of JSON.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

#include "supervisor/core/operator_message.hpp"
#include "tests/fuzz/require.hpp"

using namespace holdfast;
using namespace holdfast::supervisor;

namespace {

void try_line(std::string_view line) {
  const auto request = decode_request(line);
  if (!request) {
    HOLDFAST_REQUIRE(request.error().message.starts_with("cannot "));
    const std::string reply = error_reply(request.error().message, ExitCode::Usage);
    HOLDFAST_REQUIRE(reply.find('\n') == reply.size() - 1 && reply.size() < 2'048);
    HOLDFAST_REQUIRE(nlohmann::json::parse(reply).at("code") == 2);
    return;
  }
  const std::string text = encode_request(*request);
  const auto again = decode_request(text);
  HOLDFAST_REQUIRE(again && *again == *request);
  if (const auto* scale = std::get_if<ScaleOrder>(&*request)) {
    HOLDFAST_REQUIRE(!scale->to || (*scale->to >= 1 && *scale->to <= kMaxScale));
    HOLDFAST_REQUIRE(scale->by >= -kMaxScale && scale->by <= kMaxScale);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  OperatorLines lines;
  while (!bytes.empty()) {
    const std::size_t piece = 1 + static_cast<unsigned char>(bytes.front()) % 64;
    if (!lines.add(bytes.substr(0, piece))) return 0;
    bytes.remove_prefix(std::min(piece, bytes.size()));
    while (const auto line = lines.next()) {
      HOLDFAST_REQUIRE(line->find('\n') == std::string::npos);
      try_line(*line);
    }
  }
  try_line({reinterpret_cast<const char*>(data), size});
  return 0;
}
