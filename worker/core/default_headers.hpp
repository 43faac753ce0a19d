// The fields that are the same in every response, rendered once.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::worker {

class DefaultHeaders {
 public:
  // REQUIRES: a valid name and value. The same name again, in any case, replaces the value.
  void set(std::string name, std::string value);

  std::string_view lines() const { return lines_; }
  bool has_date() const { return has_date_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
  std::string lines_;  // of the above
  bool has_date_ = false;
};

}  // namespace holdfast::worker
