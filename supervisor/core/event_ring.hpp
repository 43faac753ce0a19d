// The last events, for an operator who comes after they were written. Bounded by number and bytes.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

namespace holdfast::supervisor {

class EventRing {
 public:
  static constexpr std::size_t kLines = 256;
  static constexpr std::size_t kBytes = 256 * 1024;

  void add(const std::string& line) {
    lines_.push_back(line);
    bytes_ += line.size();
    while (lines_.size() > kLines || (bytes_ > kBytes && lines_.size() > 1)) {
      bytes_ -= lines_.front().size();
      lines_.pop_front();
    }
  }

  std::string all() const {
    std::string text;
    text.reserve(bytes_);
    for (const std::string& line : lines_) text += line;
    return text;
  }
  std::size_t size() const { return lines_.size(); }

 private:
  std::deque<std::string> lines_;
  std::size_t bytes_ = 0;
};

}  // namespace holdfast::supervisor
