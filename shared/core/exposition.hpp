// Writes Prometheus' text format: families, and samples in them. Nothing a name or a label says can
// break a line.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace holdfast {

using MetricLabels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class Exposition {
 public:
  // The samples below are of this family, until the next one. REQUIRES: a valid name that was not
  // used before, and a help text of one line.
  void gauge(std::string_view name, std::string_view help) { begin(name, help, "gauge"); }
  void counter(std::string_view name, std::string_view help) { begin(name, help, "counter"); }
  void histogram(std::string_view name, std::string_view help) { begin(name, help, "histogram"); }

  void sample(MetricLabels labels, std::uint64_t value);
  void sample(std::uint64_t value) { sample({}, value); }
  // A sample whose unit is seconds, of a count of microseconds: nothing is rounded.
  void seconds(MetricLabels labels, std::uint64_t micros);
  // Of a histogram: `suffix` is "_bucket", "_count" or "_sum".
  void part(std::string_view suffix, MetricLabels labels, std::uint64_t value);
  void part_seconds(std::string_view suffix, MetricLabels labels, std::uint64_t micros);

  std::string take() { return std::move(out_); }

 private:
  void begin(std::string_view name, std::string_view help, std::string_view type);
  void head(std::string_view suffix, MetricLabels labels);

  std::string out_;
  std::string name_;
};

// Decimal seconds without zeros at the end: 2'500 is "0.0025".
std::string seconds_text(std::uint64_t micros);

}  // namespace holdfast
