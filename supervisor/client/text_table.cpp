#include "supervisor/client/text_table.hpp"

#include <algorithm>
#include <cstdio>

#include "shared/core/json_fields.hpp"

namespace holdfast::supervisor {
namespace {

bool reads_as_number(const std::string& cell) {
  return !cell.empty() && cell.front() >= '0' && cell.front() <= '9';
}

}  // namespace

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  std::vector<bool> right;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t column = 0; column < rows[i].size(); ++column) {
      if (column == widths.size()) {
        widths.push_back(0);
        right.push_back(true);
      }
      const std::string& cell = rows[i][column];
      widths[column] = std::max(widths[column], cell.size());
      if (i > 0 && !cell.empty() && !reads_as_number(cell)) right[column] = false;
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string space(widths[column] - row[column].size(), ' ');
      if (column > 0) line += "  ";
      line += right[column] ? space + row[column] : row[column] + space;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string format_bytes(std::uint64_t bytes) {
  double amount = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* next : {"K", "M", "G", "T"}) {
    if (amount < 1024) break;
    amount /= 1024;
    unit = next;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit[0] == 'B' ? "%.0f%s" : "%.1f%s", amount, unit);
  return text;
}

std::string format_time(std::uint64_t ms) {
  if (ms < 1'000) return std::to_string(ms) + "ms";
  const std::uint64_t s = ms / 1'000;
  const auto two = [](std::uint64_t big, const char* unit, std::uint64_t small, const char* rest) {
    std::string text = std::to_string(big) + unit;
    return small == 0 ? text : text + " " + std::to_string(small) + rest;
  };
  if (s < 60) return std::to_string(s) + "s";
  if (s < 3'600) return two(s / 60, "m", s % 60, "s");
  if (s < 86'400) return two(s / 3'600, "h", s % 3'600 / 60, "m");
  return two(s / 86'400, "d", s % 86'400 / 3'600, "h");
}

std::string format_count(std::uint64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string printable(const std::string& text) {
  std::string safe = text;
  std::ranges::replace_if(
      safe, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return safe;
}

std::string printable_text(const nlohmann::json& object, const char* key) {
  return printable(json_text(object, key));
}

}  // namespace holdfast::supervisor
