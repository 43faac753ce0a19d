// A folder of the test's own, removed with all that is in it. Paths stay short enough for a Unix
// socket's 107 bytes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace holdfast::testing {

class TempDir {
 public:
  TempDir();  // throws std::system_error
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string file(std::string_view name) const { return (path_ / name).string(); }

  // Writes `text` beside the name and renames it into place, as a careful deploy does.
  std::string write(std::string_view name, std::string_view text, bool executable = false) const;
  // A `current` link flips from one release to the next in one rename(2).
  std::string link(std::string_view name, const std::string& target) const;

 private:
  std::filesystem::path path_;
};

std::string read_text(const std::string& path);  // empty when it cannot be read

}  // namespace holdfast::testing
