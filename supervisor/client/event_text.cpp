#include "supervisor/client/event_text.hpp"

#include <nlohmann/json.hpp>

#include "supervisor/client/text_table.hpp"

namespace holdfast::supervisor {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string value_text(const OrderedJson& value) {
  if (!value.is_string())
    return printable(value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
  const std::string text = printable(value.get_ref<const std::string&>());
  return text.find(' ') == std::string::npos && !text.empty() ? text : "\"" + text + "\"";
}

std::string string_in(const OrderedJson& event, const char* name) {
  const auto found = event.find(name);
  return found != event.end() && found->is_string()
             ? printable(found->get_ref<const std::string&>())
             : std::string();
}

}  // namespace

std::string render_event(const std::string& line) {
  const OrderedJson event = OrderedJson::parse(line, nullptr, false);
  if (!event.is_object()) return printable(line) + "\n";
  std::string at = string_in(event, "logged_at").substr(0, 23);
  if (at.size() > 10) at[10] = ' ';
  const std::string severity = string_in(event, "severity");
  const std::string name = string_in(event, "event");
  std::string text = at + " ";
  if (severity == "warning" || severity == "error") text += severity + " ";
  text += name.empty() ? string_in(event, "type") : name;
  for (const auto& [key, value] : event.items()) {
    if (key == "logged_at" || key == "type" || key == "severity" || key == "event") continue;
    if (key == "stderr_tail") continue;
    text += " " + printable(key) + "=" + value_text(value);
  }
  text += "\n";
  const auto tail = event.find("stderr_tail");
  if (tail == event.end() || !tail->is_array()) return text;
  for (const OrderedJson& last : *tail) {
    if (last.is_string()) text += "  | " + printable(last.get_ref<const std::string&>()) + "\n";
  }
  return text;
}

}  // namespace holdfast::supervisor
