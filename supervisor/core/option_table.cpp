#include "supervisor/core/option_table.hpp"

#include <algorithm>
#include <utility>

#include "supervisor/core/option_rows.hpp"

namespace holdfast::supervisor {
namespace {

const OptionRow* find_row(std::string_view name, std::string (*spelled)(const OptionRow&),
                          OptionRow::Where hidden) {
  for (const OptionRow& row : option_table()) {
    if (row.where != hidden && spelled(row) == name) return &row;
  }
  return nullptr;
}

std::vector<OptionRow> whole_table() {
  std::vector<OptionRow> table = service_rows();
  for (auto& rows :
       {deadline_rows(), deploy_rows(), health_rows(), process_rows(), foreign_rows()}) {
    table.insert(table.end(), rows.begin(), rows.end());
  }
  return table;
}

}  // namespace

const std::vector<OptionRow>& option_table() {
  static const std::vector<OptionRow> table = whole_table();
  return table;
}

std::string flag_of(const OptionRow& row) { return "--" + row.name; }

std::string variable_of(const OptionRow& row) {
  std::string variable = "HOLDFAST_" + row.name;
  std::ranges::transform(variable, variable.begin(), [](char c) {
    if (c == '-') return '_';
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return variable;
}

std::string key_of(const OptionRow& row) {
  std::string key = row.name;
  std::ranges::replace(key, '-', '_');
  return key;
}

const OptionRow* find_by_variable(std::string_view variable) {
  return find_row(variable, variable_of, OptionRow::Where::OnlyInFile);
}

const OptionRow* find_by_key(std::string_view key) {
  return find_row(key, key_of, OptionRow::Where::NotInFile);
}

}  // namespace holdfast::supervisor
