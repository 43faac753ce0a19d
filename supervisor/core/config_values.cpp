#include "supervisor/core/config_values.hpp"

#include <algorithm>

#include "supervisor/core/config_document.hpp"
#include "supervisor/core/nearest.hpp"
#include "supervisor/core/option_table.hpp"

namespace holdfast::supervisor {
namespace {

using ValueKind = ConfigValue::Kind;
using Source = EnvironmentEntry::Source;

const ConfigValue* member_of(const ConfigValue& object, std::string_view key) {
  const auto found = std::ranges::find(object.items, key, &ConfigValue::key);
  return found == object.items.end() ? nullptr : &*found;
}

// Each option of one file, one after the other.
class ConfigOptions {
 public:
  explicit ConfigOptions(const std::string& file) : file_(file) {}

  Result<void> add(const ConfigValue& value) {
    const OptionRow* row = find_by_key(value.key);
    if (row == nullptr) {
      std::vector<std::string> known;
      for (const OptionRow& one : option_table()) {
        if (one.where != OptionRow::Where::NotInFile) known.push_back(key_of(one));
      }
      return wrong(value.key_at, unknown(value.key, known));
    }
    switch (row->kind) {
      case OptionRow::Kind::Text:
      case OptionRow::Kind::Number:
      case OptionRow::Kind::Switch:
        return scalar(*row, value);
      case OptionRow::Kind::List:
        return list(*row, value);
      case OptionRow::Kind::Map:
        return map(*row, value);
    }
    return {};
  }

  OptionValues take() { return std::move(values_); }

 private:
  static std::string unknown(const std::string& key, const std::vector<std::string>& known) {
    return "unknown key \"" + key + "\"" + did_you_mean(key, known);
  }

  Error wrong(const ConfigPosition& at, const std::string& cause) const {
    return config_error(file_, at, cause);
  }

  Result<void> keep(const OptionRow& row, const ConfigPosition& at, const std::string& text) {
    Options scratch;
    if (auto good = row.set(scratch, text); !good)
      return wrong(at, key_of(row) + ": " + good.error().message);
    values_.push_back({&row, text, reading(file_, at)});
    return {};
  }

  Result<void> scalar(const OptionRow& row, const ConfigValue& value) {
    const bool number = value.kind == ValueKind::Number && row.kind == OptionRow::Kind::Number;
    const bool good = row.kind == OptionRow::Kind::Switch
                          ? value.kind == ValueKind::Boolean
                          : value.kind == ValueKind::String || number;
    if (good) return keep(row, value.at, value.text);
    std::string expected = "a text";
    if (row.kind == OptionRow::Kind::Switch) expected = "true or false";
    if (row.kind == OptionRow::Kind::Number) expected = "a number";
    if (row.type == "D") expected = "a text with a unit, like \"30s\"";
    if (row.type == "SIZE") expected = "a text with a unit, like \"256MiB\"";
    return wrong(value.at, key_of(row) + ": expected " + expected);
  }

  Result<void> list(const OptionRow& row, const ConfigValue& value) {
    // A command in one text would be taken for a program with spaces in its name.
    const bool single = value.kind == ValueKind::String && row.name != "command";
    if (!single && value.kind != ValueKind::Array)
      return wrong(value.at, key_of(row) + ": expected an array of texts");
    if (single) return keep(row, value.at, value.text);
    for (const ConfigValue& item : value.items) {
      if (item.kind == ValueKind::Object && row.name == "listen") {
        HOLDFAST_ASSIGN(const std::string text, listener(item));
        HOLDFAST_TRY(keep(row, item.at, text));
      } else if (item.kind == ValueKind::String) {
        HOLDFAST_TRY(keep(row, item.at, item.text));
      } else {
        return wrong(item.at, key_of(row) + ": expected a text");
      }
    }
    return {};
  }

  // {"name": "admin", "address": "unix:/run/a", "mode": "0660"}, as the flag takes it.
  Result<std::string> listener(const ConfigValue& object) {
    const std::vector<std::string> known{"name", "address", "mode", "user", "group"};
    for (const ConfigValue& item : object.items) {
      if (std::ranges::find(known, item.key) == known.end())
        return wrong(item.key_at, unknown(item.key, known));
      if (item.kind != ValueKind::String || item.text.find_first_of(",=") != std::string::npos)
        return wrong(item.at, "listen: expected a text without commas");
    }
    const ConfigValue* address = member_of(object, "address");
    if (address == nullptr) return wrong(object.at, "listen: the address is missing");
    std::string text = address->text;
    if (const ConfigValue* name = member_of(object, "name")) text = name->text + "=" + text;
    for (const char* key : {"mode", "user", "group"}) {
      if (const ConfigValue* option = member_of(object, key))
        text += std::string(",") + key + "=" + option->text;
    }
    return {boost::system::in_place_value, text};
  }

  Result<void> map(const OptionRow& row, const ConfigValue& value) {
    if (value.kind != ValueKind::Object)
      return wrong(value.at, key_of(row) + ": expected an object");
    for (const ConfigValue& item : value.items) {
      if (auto good = check_variable_name(item.key); !good)
        return wrong(item.key_at, key_of(row) + ": " + good.error().message);
      HOLDFAST_ASSIGN(EnvironmentEntry entry, variable(item));
      values_.push_back({&row, {}, reading(file_, item.at), std::move(entry)});
    }
    return {};
  }

  Result<EnvironmentEntry> variable(const ConfigValue& item) const {
    if (item.kind == ValueKind::String) return EnvironmentEntry{item.key, Source::Text, item.text};
    if (item.kind == ValueKind::Null) return EnvironmentEntry{item.key, Source::Removed};
    if (item.kind == ValueKind::Object && item.items.size() == 1) {
      const ConfigValue& how = item.items.front();
      if (how.key == "file" && how.kind == ValueKind::String && !how.text.empty())
        return EnvironmentEntry{item.key, Source::File, how.text};
      if (how.key == "inherit" && how.kind == ValueKind::Boolean && how.text == "true")
        return EnvironmentEntry{item.key, Source::Inherited};
    }
    return wrong(item.at,
                 item.key + ": expected a text, {\"file\": PATH}, {\"inherit\": true} or null");
  }

  const std::string& file_;
  OptionValues values_;
};

}  // namespace

Result<OptionValues> values_of_config(const std::string& file, std::string_view text) {
  HOLDFAST_ASSIGN(const ConfigValue document, parse_config_document(file, text));
  if (document.kind != ValueKind::Object)
    return plain_error(reading(file, document.at), "expected an object in braces");
  ConfigOptions options(file);
  for (const ConfigValue& value : document.items) HOLDFAST_TRY(options.add(value));
  return options.take();
}

}  // namespace holdfast::supervisor
