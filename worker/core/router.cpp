#include "holdfast/worker/router.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include "worker/core/head_reader.hpp"
#include "worker/core/percent.hpp"

namespace holdfast::worker {
namespace {

struct Segment {
  enum class Kind : std::uint8_t { Literal, Parameter, Rest };
  Kind kind = Kind::Literal;
  std::string text;  // or the parameter's name

  // How patterns are sorted: names do not count, since no path can tell them apart.
  std::pair<Kind, std::string_view> shape() const {
    return {kind, kind == Kind::Literal ? std::string_view(text) : std::string_view()};
  }
};

bool less_definite(const Segment& a, const Segment& b) { return a.shape() < b.shape(); }

bool is_dots(std::string_view segment) {
  return decodes_to(segment, ".") || decodes_to(segment, "..");
}

// Takes the first segment off, with the slash behind it; nothing when there is none left.
std::optional<std::string_view> take_segment(std::optional<std::string_view>& rest) {
  if (!rest) return std::nullopt;
  const std::size_t slash = rest->find('/');
  const std::string_view segment = rest->substr(0, slash);
  if (slash == std::string_view::npos) {
    rest.reset();
  } else {
    rest->remove_prefix(slash + 1);
  }
  return segment;
}

bool has_dots(std::string_view path) {
  std::optional<std::string_view> rest = path;
  while (const auto segment = take_segment(rest)) {
    if (is_dots(*segment)) return true;
  }
  return false;
}

[[noreturn]] void refuse(std::string_view pattern, const char* cause) {
  throw std::invalid_argument("cannot add route " + std::string(pattern) + ": " + cause);
}

Segment parse_segment(std::string_view text, bool last, std::string_view pattern) {
  if (text.find_first_of("{}") == std::string_view::npos) {
    if (text == "." || text == "..") refuse(pattern, "no path has such a segment");
    return {Segment::Kind::Literal, std::string(text)};
  }
  if (!text.starts_with('{') || !text.ends_with('}'))
    refuse(pattern, "a parameter is a segment of its own");
  std::string_view name = text.substr(1, text.size() - 2);
  const bool rest = name.ends_with("...");
  if (rest) name.remove_suffix(3);
  if (rest && !last) refuse(pattern, "{name...} comes last");
  if (name.empty() || name.find_first_of("{}.") != std::string_view::npos)
    refuse(pattern, "a parameter needs a name");
  return {rest ? Segment::Kind::Rest : Segment::Kind::Parameter, std::string(name)};
}

std::vector<Segment> parse_pattern(std::string_view pattern) {
  if (!pattern.starts_with('/')) refuse(pattern, "a pattern begins with /");
  std::vector<Segment> segments;
  std::set<std::string> names;
  std::optional<std::string_view> rest = pattern.substr(1);
  while (const auto text = take_segment(rest)) {
    segments.push_back(parse_segment(*text, !rest, pattern));
    const Segment& added = segments.back();
    if (added.kind != Segment::Kind::Literal && !names.insert(added.text).second)
      refuse(pattern, "two parameters have one name");
  }
  return segments;
}

Handler answer(int status, std::string text) {
  return PlainHandler([status, text = std::move(text)](const Request&, ResponseWriter& response) {
    response.status(status);
    response.header("Content-Type", "text/plain; charset=utf-8");
    response.write(text);
  });
}

}  // namespace

struct Router::Route {
  std::string pattern;
  std::vector<Segment> segments;
  std::map<std::string, Handler, std::less<>> methods;
  std::string allow;
  Handler options;
  Handler not_allowed;

  const Handler* method(std::string_view name) const {
    auto found = methods.find(name);
    if (found == methods.end() && name == "HEAD") found = methods.find("GET");
    return found == methods.end() ? nullptr : &found->second;
  }

  void renew_allow() {
    std::set<std::string> names{"OPTIONS"};
    for (const auto& [name, handler] : methods) names.insert(name);
    if (names.contains("GET")) names.insert("HEAD");
    allow.clear();
    for (const std::string& name : names) allow += (allow.empty() ? "" : ", ") + name;
    const auto saying = [this](int status) {
      return PlainHandler([status, allow = allow](const Request&, ResponseWriter& response) {
        response.status(status);
        response.header("Allow", allow);
      });
    };
    options = saying(204);
    not_allowed = saying(405);
  }

  // Calls `visit` with each parameter and its raw value when the whole path matches.
  template <typename Visit>
  bool match(std::string_view path, Visit visit) const {
    if (!path.starts_with('/')) return false;
    std::optional<std::string_view> rest = path.substr(1);
    for (const Segment& segment : segments) {
      if (!rest) return false;
      if (segment.kind == Segment::Kind::Rest) {
        visit(segment, *rest);
        return !has_encoded_slash(*rest);
      }
      const std::string_view text = *take_segment(rest);
      if (segment.kind == Segment::Kind::Literal) {
        if (!decodes_to(text, segment.text)) return false;
      } else {
        if (text.empty()) return false;
        visit(segment, text);
      }
    }
    return !rest;
  }

  static bool has_encoded_slash(std::string_view text) {
    return text.find("%2F") != std::string_view::npos || text.find("%2f") != std::string_view::npos;
  }
};

Router::Router()
    : server_(std::make_unique<Route>()),
      bad_path_(answer(400, "the path is malformed\n")),
      not_found_(answer(404, "not found\n")) {
  server_->renew_allow();
}

Router::~Router() = default;

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
  if (method.empty() || !std::all_of(method.begin(), method.end(), is_token_byte))
    refuse(pattern, "the method is not a token");
  auto segments = parse_pattern(pattern);
  const auto before = [](const std::unique_ptr<Route>& route, const std::vector<Segment>& other) {
    return std::lexicographical_compare(route->segments.begin(), route->segments.end(),
                                        other.begin(), other.end(), less_definite);
  };
  auto at = std::lower_bound(routes_.begin(), routes_.end(), segments, before);
  const bool same_shape =
      at != routes_.end() &&
      std::equal((*at)->segments.begin(), (*at)->segments.end(), segments.begin(), segments.end(),
                 [](const auto& a, const auto& b) { return a.shape() == b.shape(); });
  if (same_shape && (*at)->pattern != pattern)
    refuse(pattern, "another one differs by its names only");
  if (same_shape && (*at)->methods.contains(method)) refuse(pattern, "it has this method already");
  if (!same_shape) {
    at = routes_.insert(at, std::make_unique<Route>());
    (*at)->pattern = pattern;
    (*at)->segments = std::move(segments);
  }
  server_->methods.emplace(method, not_found_);
  server_->renew_allow();
  (*at)->methods.emplace(method, std::move(handler));
  (*at)->renew_allow();
}

const Router::Route* Router::find(std::string_view path) const {
  const auto ignore = [](const Segment&, std::string_view) {};
  for (const auto& route : routes_) {
    if (route->match(path, ignore)) return route.get();
  }
  return nullptr;
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  if (!valid_escapes(path)) return {400, bad_path_};
  const Route* const route = path == "*" ? server_.get() : has_dots(path) ? nullptr : find(path);
  if (route == nullptr) return {404, not_found_};
  const bool one_path = route != server_.get();
  if (const Handler* const found = one_path ? route->method(method) : nullptr; found != nullptr)
    return {0, *found, route->pattern};
  if (method == "OPTIONS") return {204, route->options, route->pattern, route->allow};
  return {405, route->not_allowed, route->pattern, route->allow};
}

std::string Router::parameter(std::string_view path, std::string_view name) const {
  std::optional<std::string> value;
  const Route* const route = valid_escapes(path) && !has_dots(path) ? find(path) : nullptr;
  if (route != nullptr) {
    route->match(path, [&](const Segment& segment, std::string_view raw) {
      if (segment.text == name) value = percent_decoded(raw);
    });
  }
  if (!value)
    throw std::out_of_range("no parameter " + std::string(name) + " in the pattern of this path");
  return *std::move(value);
}

}  // namespace holdfast::worker
