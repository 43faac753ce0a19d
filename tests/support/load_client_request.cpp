#include "tests/support/load_client_request.hpp"

namespace holdfast::testing {

RequestFactory::RequestFactory(const GroupOptions& options, const std::string& host)
    : options_(options), host_(host), to_head_(options.method == "HEAD") {
  plain_ = head(options.method, options.path, 0, false, 0);
}

std::string RequestFactory::head(const std::string& method, const std::string& path,
                                 std::uint64_t length, bool has_body, std::uint64_t serial) const {
  std::string text = method + " " + path + " HTTP/1.1\r\nHost: " + host_ + "\r\n";
  text += "User-Agent: hammer\r\n";
  if (has_body) text += "Content-Length: " + std::to_string(length) + "\r\n";
  if (options_.ids) {
    text += "X-Request-ID: " + options_.name + "-" + std::to_string(serial) + "\r\n";
  }
  if (options_.say_close) text += "Connection: close\r\n";
  for (const std::string& field : options_.headers) text += field + "\r\n";
  return text + "\r\n";
}

void RequestFactory::build(Request& request, std::uint64_t serial, bool post) const {
  request.filler = 0;
  if (options_.mode == Mode::Raw) {
    request.text = options_.raw;
    return;
  }
  if (options_.mode == Mode::Upload) {
    request.text = head("POST", options_.path, options_.upload_size, true, serial);
    request.filler = options_.upload_size;
    request.verify = options_.verify == Verify::Auto && options_.path == "/upload";
    if (request.verify) request.expected = "{\"bytes\":" + std::to_string(request.filler) + "}\n";
    return;
  }
  if (post) return build_post(request, serial);
  request.text = options_.ids ? head(options_.method, options_.path, 0, false, serial) : plain_;
  request.verify = options_.verify == Verify::Hello ||
                   (options_.verify == Verify::Auto && options_.path == "/" && !to_head_);
  if (request.verify) request.expected = "Hello, world!";
}

void RequestFactory::build_post(Request& request, std::uint64_t serial) const {
  // The serial number makes an answer to somebody else's request a wrong one.
  std::string& body = request.expected;
  body = options_.name + "-" + std::to_string(serial) + "-";
  body.resize(options_.body, static_cast<char>('a' + serial % 26));
  request.text = head("POST", options_.post_path, body.size(), true, serial) + body;
  request.verify = options_.verify == Verify::Echo || options_.verify == Verify::Auto;
}

}  // namespace holdfast::testing
