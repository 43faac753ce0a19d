// Asks a worker whether it is well: a connect, or a GET whose status is read. One question at a
// time, each with a deadline. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "shared/core/time.hpp"
#include "supervisor/core/foreign_options.hpp"

namespace holdfast::supervisor {

class Prober {
 public:
  explicit Prober(boost::asio::io_context& io);
  ~Prober();  // no callback runs afterwards
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  // `on_done` gets "" or why it is not well, and may destroy this. A question that is under way is
  // forgotten.
  void ask(const ProbeTarget& target, Millis timeout, std::function<void(std::string)> on_done);

 private:
  struct Question;
  boost::asio::io_context& io_;
  std::shared_ptr<Question> question_;
};

}  // namespace holdfast::supervisor
