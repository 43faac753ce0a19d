#include "worker/core/default_headers.hpp"

#include "worker/core/ascii.hpp"
#include "worker/core/response_head.hpp"

namespace holdfast::worker {

void DefaultHeaders::set(std::string name, std::string value) {
  std::erase_if(fields_,
                [&](const auto& field) { return equals_ignoring_case(field.first, name); });
  fields_.emplace_back(std::move(name), std::move(value));
  std::vector<HeaderField> views;
  for (const auto& [key, text] : fields_) views.push_back({key, text});
  lines_.clear();
  has_date_ = append_field_lines(lines_, 200, views);
}

}  // namespace holdfast::worker
