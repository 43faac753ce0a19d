#include "tests/support/temp_dir.hpp"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

namespace holdfast::testing {

namespace fs = std::filesystem;

TempDir::TempDir() {
  std::string pattern = "/tmp/holdfast-test-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp");
  }
  // Workers that run as another user look in here too.
  fs::permissions(pattern, fs::perms(0755));
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TempDir::write(std::string_view name, std::string_view text, bool executable) const {
  const fs::path target = path_ / name;
  fs::create_directories(target.parent_path());
  const fs::path fresh = target.string() + ".new";
  std::ofstream(fresh, std::ios::binary) << text;
  fs::permissions(fresh, fs::perms(executable ? 0755 : 0644));
  fs::rename(fresh, target);
  return target.string();
}

std::string TempDir::link(std::string_view name, const std::string& target) const {
  const fs::path place = path_ / name;
  const fs::path fresh = place.string() + ".new";
  fs::create_symlink(target, fresh);
  fs::rename(fresh, place);
  return place.string();
}

std::string read_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace holdfast::testing
