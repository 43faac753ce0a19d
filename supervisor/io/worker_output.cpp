#include "supervisor/io/worker_output.hpp"

#include <array>
#include <cerrno>
#include <limits.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>

namespace holdfast::supervisor {

struct WorkerOutput::State : std::enable_shared_from_this<State> {
  State(boost::asio::io_context& io, UniqueFd pipe, Callbacks calls)
      : fd(std::move(pipe)), watch(io, fd.get()), callbacks(std::move(calls)) {}

  void stop() {
    if (watch.is_open()) watch.release();  // fd owns the descriptor
    open = false;
  }

  void wait() {
    watch.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](boost::system::error_code failed) {
                       if (failed || !self->open) return;
                       // One buffer a turn: a worker that only writes must not starve the others.
                       const bool more = self->read_some();
                       self->callbacks.on_pause();
                       if (more && self->open) self->wait();
                     });
  }

  // False at the end of the pipe.
  bool read_some() {
    std::array<char, 16 * 1024> buffer;
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n > 0) take({buffer.data(), static_cast<std::size_t>(n)});
    drained = n < static_cast<ssize_t>(buffer.size());
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
  }

  void take(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t newline = bytes.find('\n');
      const std::string_view part = bytes.substr(0, newline);
      const std::size_t room = kMaxOutputLine - line.size();
      line += part.substr(0, room);
      truncated = truncated || part.size() > room;
      if (newline == std::string_view::npos) return;
      emit();
      bytes.remove_prefix(newline + 1);
    }
  }

  void emit() {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (kept.size() == kTailLines) kept.pop_front();
    kept.push_back(line);
    callbacks.on_line(line, truncated);
    line.clear();
    truncated = false;
  }

  UniqueFd fd;
  boost::asio::posix::stream_descriptor watch;
  Callbacks callbacks;
  bool open = true;
  std::string line;
  bool truncated = false;
  bool drained = false;
  std::deque<std::string> kept;
};

WorkerOutput::WorkerOutput(boost::asio::io_context& io, UniqueFd pipe, Callbacks callbacks)
    : state_(std::make_shared<State>(io, std::move(pipe), std::move(callbacks))) {
  state_->wait();
}

WorkerOutput::~WorkerOutput() {
  if (state_) state_->stop();
}

void WorkerOutput::drain_now() {
  // A pipe holds at most 1 MiB (pipe(7)); a child of the worker that goes on writing must not hold
  // us here.
  constexpr int kReads = 64;
  for (int i = 0; i < kReads && state_->read_some() && !state_->drained; ++i) {
  }
}

void WorkerOutput::finish() {
  drain_now();
  if (!state_->line.empty()) state_->emit();
}

std::vector<std::string> WorkerOutput::tail() const {
  std::vector<std::string> lines(state_->kept.begin(), state_->kept.end());
  if (!state_->line.empty()) lines.push_back(state_->line);
  return lines;
}

std::string worker_output_line(GenerationId generation, WorkerId worker, int pid,
                               std::string_view line, bool truncated, WallTime logged_at) {
  // Escapes make a byte up to six; the limit shrinks until the result fits.
  for (std::size_t limit = kMaxOutputLine;; limit = limit * 2 / 3) {
    std::string text = "\"";
    const bool cut = append_json_text(text, line, limit);
    text += '"';
    std::string out;
    JsonLine json(out);
    json.timestamp("logged_at", logged_at)
        .text("type", "worker_output")
        .text("severity", "info")
        .number("generation", generation.value)
        .number("worker", worker.value)
        .number("pid", static_cast<std::uint64_t>(pid))
        .raw("line", text);
    if (truncated || cut) json.boolean("truncated", true);
    json.end();
    if (out.size() <= PIPE_BUF) return out;
  }
}

}  // namespace holdfast::supervisor
