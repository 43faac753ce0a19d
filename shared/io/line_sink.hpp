// Whole lines to a descriptor, in batches, without stalling the caller. Lines wait in memory until
// flush(): to a file a batch is one write; to anything else a write is at most PIPE_BUF and ends at
// a line, so that lines of many processes never mix (pipe(7)). One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shared/core/time.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast {

class LineSink {
 public:
  enum class WhenFull { Block, Drop };
  struct Limits {
    std::size_t batch = 32 * 1024;  // flush by itself from here
    std::size_t capacity =
        16 * 1024 * 1024;  // a reader that stalls longer than this meets `when_full`
    WhenFull when_full =
        WhenFull::Block;  // Block: append() waits for room; Drop: lines are counted and lost
  };

  explicit LineSink(UniqueFd target) : LineSink(std::move(target), Limits()) {}
  LineSink(UniqueFd target, Limits limits);

  // `line` ends with '\n' and has at most PIPE_BUF (4096) bytes.
  void append(std::string_view line);

  // Writes what the target takes now. Returns false when something is left.
  bool flush();

  // Writes all, waiting for the target until `timeout` has passed. Returns the number of lines
  // given up.
  std::uint64_t flush_for(Millis timeout);

  // From now on to `target`; what is buffered goes to the old one as far as it takes it, the rest
  // to the new one.
  void reopen(UniqueFd target);

  int fd() const { return target_.get(); }
  bool empty() const { return begin_ == buffer_.size(); }
  std::uint64_t lost() const { return lost_; }  // lines dropped or given up
  int last_error() const {
    return last_error_;
  }  // errno of the last failed write, 0 after a good one

 private:
  void inspect_target();
  void make_room(std::size_t bytes);
  std::size_t next_write() const;
  std::size_t line_start() const;

  UniqueFd target_;
  Limits limits_;
  std::string buffer_;
  std::size_t begin_ = 0;      // bytes before it are written
  std::size_t try_at_ = 0;     // buffered size from which append() tries to write again
  std::size_t max_write_ = 0;  // PIPE_BUF, or 0 where a batch is written whole
  std::uint64_t lost_ = 0;
  std::uint64_t unreported_ = 0;
  int last_error_ = 0;
};

}  // namespace holdfast
