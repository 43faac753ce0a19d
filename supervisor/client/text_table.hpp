// Small things that are written for people: columns, sizes, times. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace holdfast::supervisor {

// Columns as wide as their widest cell, two spaces apart; numbers to the right. The first row is
// the head.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

std::string format_bytes(std::uint64_t bytes);  // "3.0M"
std::string format_time(std::uint64_t ms);      // "850ms", "12s", "3m 20s", "2d 4h"
// "1 worker", "2 workers".
std::string format_count(std::uint64_t count, const std::string& noun);

// What others wrote, for a terminal: control characters do nothing there.
std::string printable(const std::string& text);
// Of a field of what a supervisor sent; nothing where that is absent or no text.
std::string printable_text(const nlohmann::json& object, const char* key);

}  // namespace holdfast::supervisor
