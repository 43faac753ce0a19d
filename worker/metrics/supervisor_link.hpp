// Asks the supervisor for its status over the socketpair that came with this process, in the
// protocol of the control socket (docs/control_socket.md). One thread, that of the io_context.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "shared/io/unique_fd.hpp"
#include "worker/metrics/question_book.hpp"

namespace holdfast::metrics {

class SupervisorLink {
 public:
  // Null: the supervisor did not answer in time, or is gone.
  using Answer = std::function<void(const std::string* status_json)>;

  // `on_lost` is called once, when the supervisor has closed its end.
  SupervisorLink(boost::asio::io_context& io, UniqueFd socket, std::function<void()> on_lost);

  // Called back within kAnswerTimeout, from inside the call only when the supervisor is gone.
  void ask(Answer answer);

 private:
  void turn();
  void send_question();
  void read();
  void tell(const std::vector<QuestionBook::Id>& ids, const std::string* status_json);
  void lose();

  boost::asio::local::stream_protocol::socket socket_;
  boost::asio::steady_timer timer_;
  std::function<void()> on_lost_;
  QuestionBook book_;
  std::map<QuestionBook::Id, Answer> answers_;
  std::string in_;
  bool lost_ = false;
};

}  // namespace holdfast::metrics
