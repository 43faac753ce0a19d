// Responses as a strict client reads them.
#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "tests/support/request_path.hpp"

namespace holdfast::testing {
namespace {

class Reader {
 public:
  Reader(std::string_view sent, std::string& fault) : rest_(sent), fault_(fault) {}

  bool at_end() const { return rest_.empty() || !fault_.empty(); }

  // `method` is empty where it is not known.
  WireResponse response(std::string_view method) {
    WireResponse response;
    const auto line = take_line();
    if (!line) return cut(response);
    if (line->size() < 13 || !line->starts_with("HTTP/1.1 ") || (*line)[12] != ' ')
      return broken(response, "the status line");
    response.status = static_cast<int>(number(line->substr(9, 3), 10).value_or(0));
    if (response.status < 100 || response.status > 999) return broken(response, "the status");
    std::map<std::string, std::string> fields;
    if (!take_fields(fields, true)) return cut(response);
    response.close = fields.contains("connection") && fields["connection"] == "close";
    body(response, fields, method);
    return response;
  }

 private:
  WireResponse broken(WireResponse response, const std::string& what) {
    if (fault_.empty()) fault_ = what + ": " + std::string(rest_.substr(0, 200));
    return response;
  }
  WireResponse cut(WireResponse response) {
    response.whole = false;
    rest_ = {};
    return response;
  }

  void body(WireResponse& response, std::map<std::string, std::string>& fields,
            std::string_view method) {
    const bool length = fields.contains("content-length");
    const bool chunked = fields.contains("transfer-encoding");
    if (response.status < 200 || response.status == 204 || response.status == 304) {
      if (chunked || (length && response.status != 304)) broken(response, "framing of no body");
      return;
    }
    if (length && chunked) broken(response, "two framings");
    if (method == "HEAD") return;
    if (chunked) {
      if (fields["transfer-encoding"] != "chunked") broken(response, "the coding");
      return chunks(response);
    }
    std::size_t size = rest_.size();
    if (length) {
      const auto told = number(fields["content-length"], 10);
      if (!told) return void(broken(response, "Content-Length"));
      // To a request that could not be read nobody knows whether it was a HEAD.
      if (method.empty() && rest_.empty()) return;
      size = *told;
    } else if (!response.close) {
      broken(response, "a body without an end");
    }
    response.whole = size <= rest_.size();
    response.body = take(std::min(size, rest_.size()));
  }

  void chunks(WireResponse& response) {
    for (;;) {
      const auto line = take_line();
      if (!line) return void(response = cut(response));
      const auto size = number(*line, 16);
      if (!size) return void(broken(response, "a chunk's size"));
      if (*size == 0) break;
      if (rest_.size() < *size + 2) return void(response = cut(response));
      response.body += take(*size);
      if (take(2) != "\r\n") return void(broken(response, "a chunk's end"));
    }
    std::map<std::string, std::string> trailers;
    if (!take_fields(trailers, false)) response = cut(response);
  }

  bool take_fields(std::map<std::string, std::string>& fields, bool date_needed) {
    for (;;) {
      const auto line = take_line();
      if (!line) return false;
      if (line->empty()) break;
      const std::size_t colon = line->find(": ");
      const std::string_view token = line->substr(0, std::min(colon, line->size()));
      const bool name_is_token =
          !token.empty() && std::all_of(token.begin(), token.end(), [](char c) {
            return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                   c == '-';
          });
      if (colon == std::string_view::npos || !name_is_token ||
          line->find_first_of(std::string_view("\0\r", 2)) != std::string_view::npos) {
        broken({}, "a field");
        return false;
      }
      std::string name(token);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      if (!fields.emplace(name, line->substr(colon + 2)).second) broken({}, "a field twice");
    }
    if (date_needed && !fields.empty() && !fields.contains("date")) broken({}, "no Date");
    return true;
  }

  std::optional<std::string_view> take_line() {
    const std::size_t end = rest_.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = rest_.substr(0, end);
    if (line.find('\n') != std::string_view::npos) broken({}, "a bare LF");
    rest_.remove_prefix(end + 2);
    return line;
  }
  std::string_view take(std::size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  static std::optional<std::size_t> number(std::string_view text, int base) {
    std::size_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || failed != std::errc{} || end != text.data() + text.size())
      return std::nullopt;
    return value;
  }

  std::string_view rest_;
  std::string& fault_;
};

}  // namespace

std::vector<WireResponse> read_responses(std::string_view sent,
                                         const std::vector<std::string>& methods,
                                         std::string& fault) {
  Reader reader(sent, fault);
  std::vector<WireResponse> responses;
  while (!reader.at_end()) {
    const std::size_t i = responses.size();
    const WireResponse response = reader.response(i < methods.size() ? methods[i] : "");
    if (response.status >= 100 && response.status < 200) continue;
    responses.push_back(response);
    if (response.close && !reader.at_end()) fault = "bytes behind a response that says close";
  }
  return responses;
}

}  // namespace holdfast::testing
