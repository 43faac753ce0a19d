// The textual form of the options: durations, sizes and group specifications.
#include <charconv>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>

#include "tests/support/load_client.hpp"

namespace holdfast::testing {
namespace {

[[noreturn]] void reject(std::string_view what, std::string_view text) {
  throw std::invalid_argument("cannot parse " + std::string(what) + " '" + std::string(text) + "'");
}

// Splits "12.5ms" into its number and unit.
double split_number(std::string_view what, std::string_view text, std::string_view& unit) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) reject(what, text);
  unit = text.substr(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::uint64_t parse_size(std::string_view text) {
  std::string_view unit;
  const double number = split_number("size", text, unit);
  if (unit.ends_with("/s")) unit.remove_suffix(2);
  double factor = 1;
  if (unit == "KiB") {
    factor = 1 << 10;
  } else if (unit == "MiB") {
    factor = 1 << 20;
  } else if (unit == "GiB") {
    factor = 1 << 30;
  } else if (!unit.empty() && unit != "B") {
    reject("size", text);
  }
  return static_cast<std::uint64_t>(number * factor);
}

int parse_int(std::string_view text) { return static_cast<int>(parse_size(text)); }

int parse_percent(std::string_view text) {
  if (text.ends_with('%')) text.remove_suffix(1);
  return parse_int(text);
}

DurationRange parse_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return {parse_duration(text), parse_duration(text)};
  std::string low(text.substr(0, dash));
  const std::string_view high = text.substr(dash + 1);
  std::string_view unit;
  split_number("duration", high, unit);
  if (low.find_first_not_of("0123456789.") == std::string::npos) low += unit;
  return {parse_duration(low), parse_duration(high)};
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'r') {
      out += '\r';
    } else if (c == 'n') {
      out += '\n';
    } else if (c == 'x' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += c;
    }
  }
  return out;
}

std::string read_whole(std::string_view path) {
  std::ifstream file{std::string(path), std::ios::binary};
  if (!file) reject("file", path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Mode parse_mode(std::string_view text) {
  static const std::map<std::string_view, Mode> modes{{"keepalive", Mode::KeepAlive},
                                                      {"new", Mode::New},
                                                      {"upload", Mode::Upload},
                                                      {"slowsend", Mode::SlowSend},
                                                      {"halfhead", Mode::HalfHead},
                                                      {"preconnect", Mode::Preconnect},
                                                      {"raw", Mode::Raw},
                                                      {"idle", Mode::Idle}};
  const auto found = modes.find(text);
  if (found == modes.end()) reject("mode", text);
  return found->second;
}

Verify parse_verify(std::string_view text) {
  if (text == "auto") return Verify::Auto;
  if (text == "none") return Verify::None;
  if (text == "hello") return Verify::Hello;
  if (text == "echo") return Verify::Echo;
  reject("verify", text);
}

using Setter = std::function<void(GroupOptions&, std::string_view)>;

const std::map<std::string_view, Setter>& setters() {
  using G = GroupOptions;
  using T = std::string_view;
  static const std::map<T, Setter> table{
      {"name", [](G& g, T v) { g.name = v; }},
      {"mode", [](G& g, T v) { g.mode = parse_mode(v); }},
      {"connections", [](G& g, T v) { g.connections = parse_int(v); }},
      {"requests", [](G& g, T v) { g.requests = parse_size(v); }},
      {"think", [](G& g, T v) { g.think = parse_range(v); }},
      {"per_connection", [](G& g, T v) { g.per_connection = parse_int(v); }},
      {"close", [](G& g, T v) { g.say_close = v != "0"; }},
      {"ids", [](G& g, T v) { g.ids = v != "0"; }},
      {"method", [](G& g, T v) { g.method = v; }},
      {"path", [](G& g, T v) { g.path = g.post_path = v; }},
      {"post", [](G& g, T v) { g.post_percent = parse_percent(v); }},
      {"post_path", [](G& g, T v) { g.post_path = v; }},
      {"body", [](G& g, T v) { g.body = parse_size(v); }},
      {"header", [](G& g, T v) { g.headers.emplace_back(v); }},
      {"size", [](G& g, T v) { g.upload_size = parse_size(v); }},
      {"rate", [](G& g, T v) { g.upload_rate = parse_size(v); }},
      {"pieces", [](G& g, T v) { g.pieces = parse_int(v); }},
      {"over", [](G& g, T v) { g.send_time = parse_duration(v); }},
      {"text", [](G& g, T v) { g.raw = unescape(v); }},
      {"file", [](G& g, T v) { g.raw = read_whole(v); }},
      {"expect",
       [](G& g, T v) {
         g.expect_close = v == "close";
         if (!g.expect_close) g.status = parse_int(v);
       }},
      {"verify", [](G& g, T v) { g.verify = parse_verify(v); }},
      {"timeout", [](G& g, T v) { g.timeout = parse_duration(v); }},
  };
  return table;
}

}  // namespace

Nanos parse_duration(std::string_view text) {
  std::string_view unit;
  const double number = split_number("duration", text, unit);
  double factor = 0;
  if (unit == "us") {
    factor = 1e3;
  } else if (unit == "ms") {
    factor = 1e6;
  } else if (unit == "s") {
    factor = 1e9;
  } else if (unit == "m") {
    factor = 60e9;
  } else if (number != 0) {
    reject("duration", text);
  }
  return Nanos(static_cast<std::int64_t>(number * factor));
}

GroupOptions parse_group(std::string_view spec) {
  GroupOptions group;
  while (!spec.empty()) {
    const std::size_t comma = spec.find(',');
    const std::string_view item = spec.substr(0, comma);
    spec = comma == std::string_view::npos ? std::string_view() : spec.substr(comma + 1);
    const std::size_t equals = item.find('=');
    const auto setter = setters().find(item.substr(0, equals));
    if (equals == std::string_view::npos || setter == setters().end()) reject("group", item);
    setter->second(group, item.substr(equals + 1));
  }
  if (group.connections < 1 || group.pieces < 1) reject("group", group.name);
  return group;
}

}  // namespace holdfast::testing
