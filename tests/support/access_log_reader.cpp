#include "tests/support/access_log_reader.hpp"

#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <sys/inotify.h>
#include <unistd.h>

#include "tests/support/temp_dir.hpp"

namespace holdfast::testing {

AccessLog AccessLog::read(const std::string& path) { return parse(read_text(path)); }

AccessLog AccessLog::parse(const std::string& text) {
  AccessLog log;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    Line parsed = Line::parse(line, nullptr, false);
    // A last line without its end is a torn one, even when it happens to parse.
    if (end == std::string::npos || !parsed.is_object()) {
      log.bad_.push_back(line);
    } else {
      log.lines_.push_back(std::move(parsed));
    }
    if (end == std::string::npos) break;
    begin = end + 1;
  }
  return log;
}

AccessLog AccessLog::wait(const std::string& path,
                          const std::function<bool(const AccessLog&)>& enough, Millis cap) {
  const TimePoint deadline = Clock::now() + cap;
  // The folder is watched, because the file may not exist yet; and before the first look, so that
  // no write falls between a look and the wait for the next.
  const UniqueFd watch(::inotify_init1(IN_CLOEXEC));
  const std::string folder = std::filesystem::path(path).parent_path().string();
  ::inotify_add_watch(watch.get(), folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO);
  for (;;) {
    AccessLog log = read(path);
    const auto left = std::chrono::ceil<Millis>(deadline - Clock::now());
    if (enough(log) || !wait_readable(watch.get(), left)) return log;
    char changes[4096];
    [[maybe_unused]] const ssize_t got = ::read(watch.get(), changes, sizeof changes);
  }
}

std::size_t AccessLog::count(const std::string& key, const Line& value) const {
  std::size_t found = 0;
  for (const Line& line : lines_) found += line.contains(key) && line[key] == value ? 1 : 0;
  return found;
}

const AccessLog::Line& AccessLog::only(const std::string& key, const Line& value) const {
  const Line* found = nullptr;
  for (const Line& line : lines_) {
    if (!line.contains(key) || line[key] != value) continue;
    if (found != nullptr) throw std::runtime_error("two log lines with this " + key);
    found = &line;
  }
  if (found == nullptr) {
    throw std::runtime_error("no log line with " + key + " " + value.dump() + " among " +
                             std::to_string(lines_.size()));
  }
  return *found;
}

std::vector<std::string> AccessLog::duplicates() const {
  std::map<std::string, int> seen;
  std::vector<std::string> found;
  for (const Line& line : lines_) {
    const std::string id = line.value("request_id", "");
    if (++seen[id] == 2) found.push_back(id);
  }
  return found;
}

std::string AccessLog::complaint(const std::string& prefix, std::uint64_t count) const {
  std::map<std::string, const Line*> ours;
  std::ostringstream wrong;
  for (const Line& line : lines_) {
    const std::string id = line.value("request_id", "");
    if (!id.starts_with(prefix + "-")) continue;
    if (!ours.emplace(id, &line).second) wrong << "two lines: " << id << "\n";
    if (line.value("completion", "") != "ok") wrong << "not ok: " << line.dump() << "\n";
  }
  for (std::uint64_t n = 1; n <= count; ++n) {
    if (!ours.contains(prefix + "-" + std::to_string(n))) {
      wrong << "no line: " << prefix << "-" << n << "\n";
    }
  }
  if (ours.size() > count) wrong << ours.size() << " lines for " << count << " requests\n";
  return wrong.str().substr(0, 2000);
}

}  // namespace holdfast::testing
