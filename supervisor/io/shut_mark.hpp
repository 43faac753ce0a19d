// What shutdown(2) leaves on a TCP socket that does not listen: a mark that listen(2) keeps.
#pragma once

namespace holdfast::supervisor {

// True for a TCP listener that listens and whose connections are all at their end once they are
// accepted. Nothing but sock_diag(7) tells; where that is missing, false.
bool is_marked_shut(int listener);

}  // namespace holdfast::supervisor
