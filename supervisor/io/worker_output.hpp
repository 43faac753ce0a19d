// A worker's standard error: always drained, so that the worker never blocks on it, split into
// lines, the last of them kept for a verdict. One thread; callbacks run on it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "shared/core/ids.hpp"
#include "shared/core/json_line.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {

inline constexpr std::size_t kTailLines = 64;
// Of one line; longer ones are cut. With its JSON head an emitted line stays below PIPE_BUF.
inline constexpr std::size_t kMaxOutputLine = 3'500;

class WorkerOutput {
 public:
  struct Callbacks {
    std::function<void(std::string_view line, bool truncated)> on_line;
    std::function<void()> on_pause;  // no more for now: a good moment to write lines out
  };

  // `pipe` is the nonblocking read end.
  WorkerOutput(boost::asio::io_context& io, UniqueFd pipe, Callbacks callbacks);
  ~WorkerOutput();
  WorkerOutput(WorkerOutput&&) noexcept = default;
  WorkerOutput& operator=(WorkerOutput&&) = delete;

  // Reads what is there now: after the worker's death that is all it wrote.
  void drain_now();
  // Also emits a last line without a newline.
  void finish();

  std::vector<std::string> tail() const;

 private:
  struct State;  // shared with the pending wait
  std::shared_ptr<State> state_;
};

// One `worker_output` line, at most PIPE_BUF bytes whatever the text.
std::string worker_output_line(GenerationId generation, WorkerId worker, int pid,
                               std::string_view line, bool truncated, WallTime logged_at);

}  // namespace holdfast::supervisor
