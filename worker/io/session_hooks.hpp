// Who is told of what Sessions does. Empty: nobody.
#pragma once

#include <functional>

#include "holdfast/worker/server.hpp"

namespace holdfast::worker {

struct SessionHooks {
  Server::ConnectionHook on_state;
  Server::GiveHook give_state;
  Server::TakeHook take_state;
  std::function<void()> on_room;   // a connection was closed: one more has room
  std::function<void()> on_count;  // what stats() says is another
};

}  // namespace holdfast::worker
