// Pieces of HTML in which no text can be taken for markup.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::metrics {

inline std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// A table with a caption and a row of headings; nothing at all while it has no rows.
class HtmlTable {
 public:
  HtmlTable(std::string_view caption, std::initializer_list<std::string_view> headings) {
    const std::string name = escaped(caption);
    // What scrolls sideways must be reachable by keyboard, and have a name.
    head_ = "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"" + name +
            "\"><table><caption>" + name + "</caption><thead><tr>";
    for (const std::string_view heading : headings)
      head_ += "<th scope=\"col\">" + escaped(heading) + "</th>";
    head_ += "</tr></thead><tbody>";
  }
  void row(const std::vector<std::string>& cells) {
    rows_ += "<tr>";
    for (std::size_t i = 0; i < cells.size(); ++i) {
      rows_ += i == 0 ? "<th scope=\"row\">" : "<td>";
      rows_ += escaped(cells[i]);
      rows_ += i == 0 ? "</th>" : "</td>";
    }
    rows_ += "</tr>\n";
  }
  std::string text() const {
    return rows_.empty() ? std::string() : head_ + rows_ + "</tbody></table></div>\n";
  }

 private:
  std::string head_;
  std::string rows_;
};

// "3d4h", "5m6s", "0s": two units say enough.
inline std::string span_text(std::uint64_t ms) {
  struct Unit {
    std::uint64_t seconds;
    char letter;
  };
  constexpr Unit kUnits[] = {{86'400, 'd'}, {3'600, 'h'}, {60, 'm'}, {1, 's'}};
  std::uint64_t left = ms / 1'000;
  std::string text;
  int said = 0;
  for (const Unit& unit : kUnits) {
    const std::uint64_t count = left / unit.seconds;
    left %= unit.seconds;
    if (said == 0 && count == 0 && unit.seconds != 1) continue;
    if (said++ == 2) break;
    text += std::to_string(count) + unit.letter;
  }
  return text;
}

inline std::string mebibytes_text(std::uint64_t bytes) {
  const std::uint64_t tenths = bytes * 10 / (1'024 * 1'024);
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " MiB";
}

}  // namespace holdfast::metrics
