// The words of a config file: takes one after the other and knows at which line and column it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "shared/core/result.hpp"
#include "supervisor/core/config_document.hpp"

namespace holdfast::supervisor {

class ConfigText {
 public:
  // Both outlive it.
  ConfigText(const std::string& file, std::string_view text) : file_(file), text_(text) {}

  ConfigPosition position() const { return at_; }
  bool at_end() const { return next_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[next_]; }
  void skip_char();
  bool take(char wanted);

  // White space and comments. Fails on a comment without an end.
  Result<void> skip_space();

  // REQUIRES: a quote comes.
  Result<std::string> take_string();
  Result<std::string> take_number();
  std::string take_word();  // letters and what else people write without quotes; may be empty

  Error error_here(std::string_view cause) const { return error_at(at_, cause); }
  Error error_at(const ConfigPosition& at, std::string_view cause) const;

 private:
  Result<void> take_escape(std::string& out);
  Result<unsigned> take_four_digits();

  const std::string& file_;
  std::string_view text_;
  std::size_t next_ = 0;
  ConfigPosition at_;
};

}  // namespace holdfast::supervisor
