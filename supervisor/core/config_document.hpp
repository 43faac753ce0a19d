// JSON with comments (// and /* */) as a tree that remembers where each value stands, so that an
// error can say so. Stricter than parsers that read data: a key given twice is an error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "shared/core/result.hpp"

namespace holdfast::supervisor {

struct ConfigPosition {
  std::size_t line = 1;
  std::size_t column = 1;  // in characters
  bool operator==(const ConfigPosition&) const = default;
};

struct ConfigValue {
  enum class Kind { Null, Boolean, Number, String, Array, Object };
  Kind kind = Kind::Null;
  ConfigPosition at;
  std::string text;                // String: decoded; Number and Boolean: as written
  std::vector<ConfigValue> items;  // of an Array, or the values of an Object
  std::string key;                 // of a member of an Object
  ConfigPosition key_at;
};

inline constexpr std::size_t kMostNested = 16;

// `file` is what errors call it: "cannot read FILE:12:5: expected a comma or }".
Result<ConfigValue> parse_config_document(const std::string& file, std::string_view text);

// "read FILE:12:5".
std::string reading(const std::string& file, const ConfigPosition& at);

// "cannot read FILE:12:5: <cause>", one line whatever the file put into the cause.
Error config_error(const std::string& file, const ConfigPosition& at, std::string cause);

}  // namespace holdfast::supervisor
