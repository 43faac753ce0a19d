// Reads fields of a JSON object that may be of another version: what is absent or of another type
// counts as nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace holdfast {

// Null where it is absent.
inline const nlohmann::json& json_member(const nlohmann::json& object, const char* key) {
  static const nlohmann::json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

inline std::uint64_t json_count(const nlohmann::json& object, const char* key) {
  const nlohmann::json& value = json_member(object, key);
  return value.is_number_integer() && value >= 0 ? value.get<std::uint64_t>() : 0;
}

inline double json_real(const nlohmann::json& object, const char* key) {
  const nlohmann::json& value = json_member(object, key);
  return value.is_number() ? value.get<double>() : 0;
}

inline std::string json_text(const nlohmann::json& object, const char* key) {
  const nlohmann::json& value = json_member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

inline bool json_flag(const nlohmann::json& object, const char* key) {
  const nlohmann::json& value = json_member(object, key);
  return value.is_boolean() && value.get<bool>();
}

inline const nlohmann::json& json_list(const nlohmann::json& object, const char* key) {
  static const nlohmann::json empty = nlohmann::json::array();
  const nlohmann::json& value = json_member(object, key);
  return value.is_array() ? value : empty;
}

inline const nlohmann::json& json_object(const nlohmann::json& object, const char* key) {
  static const nlohmann::json empty = nlohmann::json::object();
  const nlohmann::json& value = json_member(object, key);
  return value.is_object() ? value : empty;
}

// Of exactly so many numbers; zeros where it is not.
inline std::vector<std::uint64_t> json_counts(const nlohmann::json& object, const char* key,
                                              std::size_t size) {
  std::vector<std::uint64_t> counts(size);
  const nlohmann::json& values = json_member(object, key);
  if (!values.is_array() || values.size() != size) return counts;
  for (std::size_t i = 0; i < size; ++i) {
    if (values[i].is_number_unsigned()) counts[i] = values[i].get<std::uint64_t>();
  }
  return counts;
}

}  // namespace holdfast
