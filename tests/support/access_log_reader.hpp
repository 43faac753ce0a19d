// Reads an access log and holds it to promise 4: every line is one valid JSON object, every request
// has exactly one. A line that does not parse is kept as bad and never skipped over.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/child_process.hpp"

namespace holdfast::testing {

class AccessLog {
 public:
  using Line = nlohmann::json;

  static AccessLog read(const std::string& path);  // a missing file is an empty log
  static AccessLog parse(const std::string& text);
  // Reads again until `enough` is true of the log. Workers write in batches, up to a second late.
  static AccessLog wait(const std::string& path,
                        const std::function<bool(const AccessLog&)>& enough, Millis cap = kCap);

  const std::vector<Line>& lines() const { return lines_; }
  const std::vector<std::string>& bad() const { return bad_; }
  std::size_t size() const { return lines_.size(); }

  std::size_t count(const std::string& key, const Line& value) const;
  // The only line with this value; throws std::runtime_error when there are none or several.
  const Line& only(const std::string& key, const Line& value) const;
  // Ids with more than one line.
  std::vector<std::string> duplicates() const;

  // What is wrong with the lines of the requests `<prefix>-1` .. `<prefix>-<count>`: a missing one,
  // one too many, or a completion other than ok. "" when nothing is.
  std::string complaint(const std::string& prefix, std::uint64_t count) const;

 private:
  std::vector<Line> lines_;
  std::vector<std::string> bad_;
};

}  // namespace holdfast::testing
