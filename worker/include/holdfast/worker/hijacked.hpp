// The stream of a connection that a handler took from the server (ResponseWriter::hijack): what the
// client sent behind the request's head and body, and what it sends from now on. It works the same
// under TLS. The server still counts its bytes, writes its line in the access log when it ends,
// waits for it in a drain until stop_timeout, and closes it when this object is destroyed.
//
// One thread, the server's. Callbacks come once each, possibly before the call that gave them
// returns; when the stream ends they come with nothing or false.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "holdfast/export.h"

namespace holdfast::worker {

struct HijackState;

class HOLDFAST_API Hijacked {
 public:
  explicit Hijacked(std::shared_ptr<HijackState> state) : state_(std::move(state)) {}
  Hijacked(Hijacked&&) noexcept = default;
  Hijacked& operator=(Hijacked&& other) noexcept;
  ~Hijacked();

  bool open() const;

  // Reads at least one byte into `into` (not empty, alive until the callback): the count, 0 at the
  // end of what the client sends, nothing when the stream broke. One read at a time; nothing is
  // read from the client while nobody asks.
  using ReadCallback = std::function<void(std::optional<std::size_t>)>;
  void read_some(std::span<char> into, ReadCallback callback);

  // Sends all of `bytes`, which are copied, then calls back; false when the stream broke. One write
  // at a time.
  using WriteCallback = std::function<void(bool)>;
  void write(std::string_view bytes, WriteCallback callback);

  // Called once when the worker begins to drain (soon, where it already does): the time to say
  // good-bye. What is still open at stop_timeout is cut.
  void on_drain(std::function<void()> callback);

  // FIN, after what was written; the server reads on for a moment so that nothing is reset.
  void close();

  // For getpeername(2) and socket options, not for reading and writing; -1 once closed.
  int native_handle() const;

 private:
  std::shared_ptr<HijackState> state_;
};

}  // namespace holdfast::worker
