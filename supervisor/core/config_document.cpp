#include "supervisor/core/config_document.hpp"

#include <algorithm>

#include "supervisor/core/config_text.hpp"

namespace holdfast::supervisor {
namespace {

class DocumentParser {
 public:
  DocumentParser(const std::string& file, std::string_view text) : text_(file, text) {}

  Result<ConfigValue> document() {
    HOLDFAST_TRY(text_.skip_space());
    HOLDFAST_ASSIGN(ConfigValue value, one_value(0));
    HOLDFAST_TRY(text_.skip_space());
    if (!text_.at_end()) return text_.error_here("expected nothing behind the value");
    return value;
  }

 private:
  using Kind = ConfigValue::Kind;

  Result<ConfigValue> one_value(std::size_t depth) {
    ConfigValue value;
    value.at = text_.position();
    if (depth > kMostNested) return text_.error_here("too deeply nested");
    const char first = text_.peek();
    if (first == '{' || first == '[') {
      value.kind = first == '{' ? Kind::Object : Kind::Array;
      HOLDFAST_TRY(members(value, depth));
    } else if (first == '"') {
      value.kind = Kind::String;
      HOLDFAST_ASSIGN(value.text, text_.take_string());
    } else if (first == '-' || (first >= '0' && first <= '9')) {
      value.kind = Kind::Number;
      HOLDFAST_ASSIGN(value.text, text_.take_number());
    } else {
      HOLDFAST_TRY(literal(value));
    }
    return value;
  }

  Result<void> literal(ConfigValue& value) {
    value.text = text_.take_word();
    if (value.text == "null") {
      value.kind = Kind::Null;
    } else if (value.text == "true" || value.text == "false") {
      value.kind = Kind::Boolean;
    } else if (value.text.empty()) {
      return text_.error_here("expected a value");
    } else {
      return text_.error_at(value.at, "expected a value, and " + value.text +
                                          " is none; texts stand in double quotes");
    }
    return {};
  }

  Result<void> members(ConfigValue& value, std::size_t depth) {
    const bool object = value.kind == Kind::Object;
    const char end = object ? '}' : ']';
    text_.skip_char();
    HOLDFAST_TRY(text_.skip_space());
    if (text_.take(end)) return {};
    for (;;) {
      HOLDFAST_ASSIGN(ConfigValue item, object ? member(value, depth) : one_value(depth + 1));
      value.items.push_back(std::move(item));
      HOLDFAST_TRY(text_.skip_space());
      if (text_.take(end)) return {};
      if (!text_.take(',')) return text_.error_here(std::string("expected a comma or ") + end);
      HOLDFAST_TRY(text_.skip_space());
      if (text_.peek() == end) return text_.error_here("expected another value behind the comma");
    }
  }

  Result<ConfigValue> member(const ConfigValue& object, std::size_t depth) {
    const ConfigPosition at = text_.position();
    if (text_.peek() != '"') return text_.error_here("expected a key in double quotes");
    HOLDFAST_ASSIGN(std::string key, text_.take_string());
    if (std::ranges::find(object.items, key, &ConfigValue::key) != object.items.end())
      return text_.error_at(at, "the key \"" + key + "\" is there twice");
    HOLDFAST_TRY(text_.skip_space());
    if (!text_.take(':')) return text_.error_here("expected a colon");
    HOLDFAST_TRY(text_.skip_space());
    HOLDFAST_ASSIGN(ConfigValue value, one_value(depth + 1));
    value.key = std::move(key);
    value.key_at = at;
    return value;
  }

  ConfigText text_;
};

}  // namespace

Result<ConfigValue> parse_config_document(const std::string& file, std::string_view text) {
  return DocumentParser(file, text).document();
}

std::string reading(const std::string& file, const ConfigPosition& at) {
  return "read " + file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

Error config_error(const std::string& file, const ConfigPosition& at, std::string cause) {
  std::ranges::replace_if(
      cause, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return plain_error(reading(file, at), cause);
}

}  // namespace holdfast::supervisor
