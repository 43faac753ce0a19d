#include "supervisor/io/einhorn_socket.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <list>
#include <mutex>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <nlohmann/json.hpp>

#include "shared/io/bind_listener.hpp"
#include "supervisor/io/notify_socket.hpp"

namespace holdfast::supervisor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestLine = 4'096;
constexpr std::size_t kMostStreams = 8;  // a worker needs one
constexpr const char* kPrefix = "holdfast-einhorn-";
constexpr const char* kSocket = "ack.sock";
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr time_t kYoung = 60;

// einhorn's client writes YAML, of which this one line is JSON; % and newlines come as %25 and %0A.
bool is_ack(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  return json.is_object() && json.contains("command") && json["command"] == "worker:ack";
}

// Whose supervisor was killed: a live one has its folder locked, which counts over pid namespaces
// too. A young one may be about to be locked. Others' folders we could not remove anyway.
void remove_left_folders(const fs::path& parent) {
  std::error_code failed;
  for (fs::directory_iterator at(parent, failed), end; !failed && at != end; at.increment(failed)) {
    const fs::path& folder = at->path();
    if (!folder.filename().string().starts_with(kPrefix)) continue;
    const UniqueFd fd(::open(folder.c_str(), kFolderFlags));
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0 || info.st_uid != ::geteuid()) continue;
    if (::time(nullptr) - info.st_mtime < kYoung) continue;
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
    ::unlink((folder / kSocket).c_str());
    ::rmdir(folder.c_str());
  }
}

}  // namespace

struct EinhornSocket::State : std::enable_shared_from_this<State> {
  struct Stream {
    Stream(boost::asio::io_context& io, UniqueFd socket)
        : fd(std::move(socket)), watch(io, fd.get()) {}
    ~Stream() {
      if (watch.is_open()) watch.release();  // fd owns the descriptor
    }
    UniqueFd fd;
    boost::asio::posix::stream_descriptor watch;
    std::string line;
  };
  using Place = std::list<Stream>::iterator;

  State(boost::asio::io_context& loop, UniqueFd listening, pid_t of, Callbacks calls)
      : io(loop),
        listener(std::move(listening)),
        watch(loop, listener.get()),
        worker(of),
        callbacks(std::move(calls)) {}

  void stop() {
    open = false;
    if (watch.is_open()) watch.release();  // listener owns the descriptor
    for (Stream& stream : streams) {
      if (stream.watch.is_open()) stream.watch.release();
    }
  }

  void wait() {
    watch.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](boost::system::error_code failed) {
                       if (failed || !self->open) return;
                       self->accept();
                       if (self->open) self->wait();
                     });
  }

  void accept() {
    UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    ucred who{};
    socklen_t size = sizeof who;
    const bool known = ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0;
    if (!known || !is_family(who.pid, worker)) return callbacks.on_stranger(who.pid);
    if (streams.size() < kMostStreams) add(std::move(fd));
  }

  void add(UniqueFd fd) { listen_to(streams.emplace(streams.end(), io, std::move(fd))); }

  void listen_to(Place stream) {
    stream->watch.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                             [self = shared_from_this(), stream](boost::system::error_code failed) {
                               if (!failed && self->open) self->read(stream);
                             });
  }

  void read(Place stream) {
    std::array<char, 1'024> buffer{};
    const ssize_t n = ::recv(stream->fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return listen_to(stream);
    if (n > 0) stream->line.append(buffer.data(), static_cast<std::size_t>(n));
    bool ack = false;
    for (std::size_t end = 0; !ack && (end = stream->line.find('\n')) != std::string::npos;) {
      ack = is_ack(stream->line.substr(0, end));
      stream->line.erase(0, end + 1);
    }
    const bool over = n <= 0;
    // One without its newline counts at the end of the stream.
    ack = ack || (over && is_ack(stream->line));
    if (!ack && !over && stream->line.size() < kLongestLine) return listen_to(stream);
    streams.erase(stream);
    if (ack) callbacks.on_ack();
  }

  boost::asio::io_context& io;
  UniqueFd listener;
  boost::asio::posix::stream_descriptor watch;
  pid_t worker;
  Callbacks callbacks;
  std::list<Stream> streams;
  bool open = true;
};

EinhornSocket::~EinhornSocket() {
  if (state_) state_->stop();
  if (folder_.empty()) return;
  ::unlink(path_.c_str());
  ::rmdir(folder_.c_str());
}

// The folder's name is a secret of nobody; who may speak is decided by the peer's pid.
Result<EinhornSocket> EinhornSocket::open() {
  const std::string action = "open a socket for einhorn's ack";
  const char* temporary = std::getenv("TMPDIR");
  std::string folder = temporary != nullptr && temporary[0] == '/' ? temporary : "/tmp";
  static std::once_flag once;
  std::call_once(once, remove_left_folders, folder);
  folder += std::string("/") + kPrefix + "XXXXXX";
  EinhornSocket socket;
  if (::mkdtemp(folder.data()) == nullptr) return errno_error(action, errno);
  socket.folder_ = folder;
  socket.path_ = folder + "/" + kSocket;
  socket.lock_.reset(::open(folder.c_str(), kFolderFlags));
  if (!socket.lock_ || ::flock(socket.lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return errno_error(action, errno);
  // Workers may be of another user than we are.
  if (::chmod(folder.c_str(), 0711) != 0) return errno_error(action, errno);
  UnixAddress address{socket.path_, 0666U, {}, {}};
  HOLDFAST_ASSIGN(BoundListener bound, bind_listener(address));
  socket.listener_ = std::move(bound.fd);
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return errno_error(action, errno);
  socket.ours_.reset(ends[0]);
  socket.theirs_.reset(ends[1]);
  return socket;
}

void EinhornSocket::start(boost::asio::io_context& io, pid_t worker, Callbacks callbacks) {
  theirs_.reset();
  state_ = std::make_shared<State>(io, std::move(listener_), worker, std::move(callbacks));
  state_->wait();
  state_->add(std::move(ours_));
}

}  // namespace holdfast::supervisor
