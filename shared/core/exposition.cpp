#include "shared/core/exposition.hpp"

namespace holdfast {
namespace {

constexpr std::uint64_t kMicrosInSecond = 1'000'000;

void append_label_value(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
}

}  // namespace

std::string seconds_text(std::uint64_t micros) {
  std::string text = std::to_string(micros / kMicrosInSecond);
  std::string rest = std::to_string(kMicrosInSecond + micros % kMicrosInSecond);
  rest.front() = '.';
  rest.erase(rest.find_last_not_of('0') + 1);
  if (rest != ".") text += rest;
  return text;
}

void Exposition::begin(std::string_view name, std::string_view help, std::string_view type) {
  name_ = name;
  out_.append("# HELP ").append(name).append(" ").append(help);
  out_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void Exposition::head(std::string_view suffix, MetricLabels labels) {
  out_.append(name_).append(suffix);
  if (labels.size() == 0) {
    out_ += ' ';
    return;
  }
  char before = '{';
  for (const auto& [key, value] : labels) {
    out_ += before;
    out_.append(key).append("=\"");
    append_label_value(out_, value);
    out_ += '"';
    before = ',';
  }
  out_ += "} ";
}

void Exposition::sample(MetricLabels labels, std::uint64_t value) { part({}, labels, value); }

void Exposition::seconds(MetricLabels labels, std::uint64_t micros) {
  part_seconds({}, labels, micros);
}

void Exposition::part(std::string_view suffix, MetricLabels labels, std::uint64_t value) {
  head(suffix, labels);
  out_.append(std::to_string(value)).append("\n");
}

void Exposition::part_seconds(std::string_view suffix, MetricLabels labels, std::uint64_t micros) {
  head(suffix, labels);
  out_.append(seconds_text(micros)).append("\n");
}

}  // namespace holdfast
