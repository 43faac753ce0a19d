#include "worker/metrics/supervisor_link.hpp"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>

#include "shared/core/json_fields.hpp"

namespace holdfast::metrics {
namespace {

constexpr std::string_view kQuestion = "{\"holdfast\":1,\"op\":\"status\"}\n";
// A status with hundreds of workers and listeners has less.
constexpr std::size_t kMaxReply = 4 * 1024 * 1024;

}  // namespace

SupervisorLink::SupervisorLink(boost::asio::io_context& io, UniqueFd socket,
                               std::function<void()> on_lost)
    : socket_(io, boost::asio::local::stream_protocol(), socket.release()),
      timer_(io),
      on_lost_(std::move(on_lost)) {
  socket_.non_blocking(true);
  read();
}

void SupervisorLink::ask(Answer answer) {
  if (lost_) return answer(nullptr);
  answers_[book_.arrive(Clock::now())] = std::move(answer);
  turn();
}

void SupervisorLink::turn() {
  const QuestionBook::Due due = book_.due(Clock::now());
  if (due.ask) send_question();
  tell(due.late, nullptr);
  timer_.cancel();
  const auto wake = book_.wake_at();
  if (!wake || lost_) return;
  timer_.expires_at(*wake);
  timer_.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) turn();
  });
}

// No question is out, so the socket has room for this one.
void SupervisorLink::send_question() {
  boost::system::error_code failed;
  const std::size_t sent = socket_.write_some(boost::asio::buffer(kQuestion), failed);
  if (failed || sent != kQuestion.size()) socket_.shutdown(socket_.shutdown_both, failed);
}

void SupervisorLink::read() {
  boost::asio::async_read_until(
      socket_, boost::asio::dynamic_buffer(in_, kMaxReply), '\n',
      [this](boost::system::error_code failed, std::size_t size) {
        if (failed) return lose();
        const std::string line = in_.substr(0, size);
        in_.erase(0, size);
        const auto reply = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
        const auto& status = json_member(reply, "status");
        const std::string text = status.is_object() ? status.dump() : std::string();
        tell(book_.answered(), text.empty() ? nullptr : &text);
        turn();
        read();
      });
}

void SupervisorLink::tell(const std::vector<QuestionBook::Id>& ids,
                          const std::string* status_json) {
  for (const QuestionBook::Id id : ids) {
    const auto node = answers_.extract(id);
    if (!node.empty()) node.mapped()(status_json);
  }
}

void SupervisorLink::lose() {
  lost_ = true;
  timer_.cancel();
  tell(book_.all(), nullptr);
  on_lost_();
}

}  // namespace holdfast::metrics
