// Reading JSON of a supervisor of another age: a field that is missing or of another type is
// nothing, never an error. Texts come out printable.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "supervisor/client/text_table.hpp"

namespace holdfast::supervisor {

inline const nlohmann::json& field_in(const nlohmann::json& object, const char* name) {
  static const nlohmann::json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(name);
  return found == object.end() ? nothing : *found;
}

inline std::string text_in(const nlohmann::json& object, const char* name) {
  const nlohmann::json& value = field_in(object, name);
  return value.is_string() ? printable(value.get_ref<const std::string&>()) : std::string();
}

inline double real_in(const nlohmann::json& object, const char* name) {
  const nlohmann::json& value = field_in(object, name);
  return value.is_number() ? value.get<double>() : 0;
}

inline std::uint64_t count_in(const nlohmann::json& object, const char* name) {
  const nlohmann::json& value = field_in(object, name);
  return value.is_number_integer() && value >= 0 ? value.get<std::uint64_t>() : 0;
}

inline bool flag_in(const nlohmann::json& object, const char* name) {
  const nlohmann::json& value = field_in(object, name);
  return value.is_boolean() && value.get<bool>();
}

inline const nlohmann::json& list_in(const nlohmann::json& object, const char* name) {
  static const nlohmann::json nothing = nlohmann::json::array();
  const nlohmann::json& value = field_in(object, name);
  return value.is_array() ? value : nothing;
}

inline const nlohmann::json& object_in(const nlohmann::json& object, const char* name) {
  static const nlohmann::json nothing = nlohmann::json::object();
  const nlohmann::json& value = field_in(object, name);
  return value.is_object() ? value : nothing;
}

}  // namespace holdfast::supervisor
