// Serves a folder: GET and HEAD, ranges, and conditional requests (RFC 9110, 13 and 14).
//   static_files DIRECTORY [ADDRESS]
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include "holdfast/worker/byte_range.hpp"
#include "holdfast/worker/router.hpp"
#include "holdfast/worker/server.hpp"

using namespace holdfast::worker;

namespace {

class File {
 public:
  // The kernel resolves the name, and nothing outside of the folder has one: neither "..", an
  // absolute path nor a symbolic link leads out (openat2(2), RESOLVE_BENEATH).
  File(int folder, const std::string& name) {
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // a FIFO without a writer would wait
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    fd_ = static_cast<int>(::syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how));
    if (fd_ >= 0) known_ = ::fstat(fd_, &facts_) == 0 && S_ISREG(facts_.st_mode);
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool found() const { return known_; }
  int fd() const { return fd_; }
  std::uint64_t size() const { return static_cast<std::uint64_t>(facts_.st_size); }
  std::time_t modified() const { return facts_.st_mtim.tv_sec; }
  // Changes whenever the file does, for its time has nanoseconds; so it is a strong one (8.8.3).
  std::string tag() const {
    return '"' + std::to_string(facts_.st_ino) + '-' + std::to_string(facts_.st_size) + '-' +
           std::to_string(facts_.st_mtim.tv_sec) + '.' + std::to_string(facts_.st_mtim.tv_nsec) +
           '"';
  }

 private:
  int fd_ = -1;
  bool known_ = false;
  struct stat facts_ {};
};

std::string http_date(std::time_t time) {
  std::tm utc{};
  char text[40];
  ::gmtime_r(&time, &utc);
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

// -1 for what is no date in today's format.
std::time_t parse_date(std::string_view text) {
  std::tm utc{};
  const std::string terminated(text);
  const char* end = ::strptime(terminated.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return end != nullptr && *end == '\0' ? ::timegm(&utc) : -1;
}

// Whether a list of entity tags has this one; "W/" makes no difference to GET (13.1.2).
bool names(std::string_view list, const std::string& tag) {
  return list == "*" || list.find(tag) != std::string_view::npos;
}

bool unchanged(const Request& request, const File& file) {
  const std::string_view tags = request.header("If-None-Match");
  if (!tags.empty()) return names(tags, file.tag());
  const std::string_view since = request.header("If-Modified-Since");
  return !since.empty() && file.modified() <= parse_date(since);
}

std::string_view type_of(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"}, {".css", "text/css"},   {".js", "text/javascript"},
      {".txt", "text/plain; charset=utf-8"}, {".png", "image/png"},  {".svg", "image/svg+xml"},
      {".json", "application/json"},         {".jpg", "image/jpeg"},
  };
  for (const auto& [ending, type] : kTypes) {
    if (name.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

void serve(int folder, std::string name, const Request& request, ResponseWriter& response) {
  if (name.empty() || name.ends_with('/')) name += "index.html";
  const File file(folder, name);
  if (!file.found()) {
    response.status(404);
    return response.write("not found\n");
  }
  response.header("ETag", file.tag());
  response.header("Last-Modified", http_date(file.modified()));
  if (unchanged(request, file)) return response.status(304);
  response.header("Accept-Ranges", "bytes");
  response.header("Content-Type", type_of(name));
  response.header("X-Content-Type-Options", "nosniff");

  std::string_view range = request.method() == "GET" ? request.header("Range") : "";
  // A part of another version is worse than the whole (13.1.5).
  const std::string_view version = request.header("If-Range");
  if (!version.empty() && version != file.tag() && version != http_date(file.modified()))
    range = {};
  const RangeChoice part = choose_range(range, file.size());
  if (part.verdict != RangeChoice::Verdict::Whole)
    response.header("Content-Range", content_range(part, file.size()));
  if (part.verdict == RangeChoice::Verdict::Unsatisfiable) return response.status(416);
  if (part.verdict == RangeChoice::Verdict::Part) response.status(206);
  response.content_length(part.length);
  if (request.method() == "GET") response.send_file(file.fd(), part.offset, part.length);
}

}  // namespace

int main(int argc, char** argv) {
  const int folder = argc < 2 ? -1 : ::open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    std::fprintf(stderr, "usage: static_files DIRECTORY [ADDRESS]\n");
    return 2;
  }
  Server server({.listen = argc > 2 ? argv[2] : "127.0.0.1:8080"});
  Router router;
  router.add("GET", "/{name...}",
             PlainHandler([&](const Request& request, ResponseWriter& response) {
               serve(folder, router.parameter(request, "name"), request, response);
             }));
  server.select(router.selector());
  server.on_accepting([&] {
    std::fprintf(stderr, "static_files: listening on %s\n", server.addresses().front().c_str());
  });
  return server.run();
}
