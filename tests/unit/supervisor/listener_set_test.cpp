#include "supervisor/io/listener_set.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <grp.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "supervisor/io/queue_probe.hpp"
#include "supervisor/io/socket_holders.hpp"
#include "tests/unit/supervisor/io_fixture.hpp"

namespace holdfast::supervisor {
namespace {

ListenerSet open(const std::string& spec) {
  return ListenerSet::open({parse_listener_spec(spec).value()}).value();
}

std::uint16_t port_of(const ListenerSet& set) {
  const std::string address = set.infos().at(0).address;
  return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

// A connect that is under way, or done.
UniqueFd connect_to(std::uint16_t port) {
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return client;
}

bool connected(const UniqueFd& client, Millis within) {
  if (!wait_writable(client.get(), within)) return false;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0;
}

std::string temporary_path(const char* name) {
  return (std::filesystem::temp_directory_path() /
          (std::string(name) + "." + std::to_string(::getpid())))
      .string();
}

TEST(ListenerSetTest, PortZeroIsReportedAsTheRealOne) {
  const ListenerSet set = open("api=127.0.0.1:0");
  EXPECT_EQ(set.infos().at(0).name, "api");
  EXPECT_NE(port_of(set), 0);
  EXPECT_TRUE(connected(connect_to(port_of(set)), Millis{1'000}));
}

TEST(ListenerSetTest, ABusyAddressNamesItsHolder) {
  const ListenerSet set = open("127.0.0.1:0");
  const auto again = ListenerSet::open({parse_listener_spec(set.infos().at(0).address).value()});
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("Address already in use"), std::string::npos);
  EXPECT_NE(again.error().message.find("held by pid " + std::to_string(::getpid())),
            std::string::npos)
      << again.error().message;
}

// A folder of /proc whose process ends cannot be read on.
TEST(ListenerSetTest, AHolderIsNamedWhileProcessesComeAndGo) {
  const ListenerSet set = open("127.0.0.1:0");
  std::atomic<bool> over = false;
  std::thread births([&] {
    while (!over) {
      const pid_t child = ::fork();
      if (child == 0) ::_exit(0);
      ::waitpid(child, nullptr, 0);
    }
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_NE(holders_of_port(port_of(set)).find("pid " + std::to_string(::getpid())),
              std::string::npos);
  }
  over = true;
  births.join();
}

TEST(ListenerSetTest, IsAllOrNothing) {
  const ListenerSet taken = open("127.0.0.1:0");
  const std::string path = temporary_path("all_or_nothing");
  const auto both = ListenerSet::open({parse_listener_spec("127.0.0.1:0").value(),
                                       parse_listener_spec(taken.infos().at(0).address).value()});
  EXPECT_FALSE(both);
}

TEST(ListenerSetTest, BehindAClosedDoorTheQueueStaysAndNobodyNewComes) {
  ListenerSet set = open("127.0.0.1:0");
  const UniqueFd early = connect_to(port_of(set));
  ASSERT_TRUE(connected(early, Millis{1'000}));
  EXPECT_EQ(set.measure().queued, 1U);
  EXPECT_TRUE(set.close_the_door().empty());
  const UniqueFd late = connect_to(port_of(set));
  EXPECT_FALSE(connected(late, Millis{200}));
  EXPECT_EQ(set.measure().queued, 1U) << "who was inside is still there";
  EXPECT_EQ(set.measure().half_open, 0U);

  const std::vector<UniqueFd> copies = set.duplicates().value();
  const UniqueFd accepted(::accept4(copies[0].get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted);
  write_fully(early.get(), "hello");
  char buffer[8] = {};
  EXPECT_EQ(::read(accepted.get(), buffer, sizeof buffer), 5) << "accepted sockets have no filter";
  EXPECT_EQ(set.measure().queued, 0U);
}

TEST(ListenerSetTest, AShutListenerRefusesEvenWhereACopyIsLeft) {
  ListenerSet set = open("127.0.0.1:0");
  const std::uint16_t port = port_of(set);
  const std::vector<UniqueFd> stray = set.duplicates().value();
  set.shut();
  const UniqueFd client = connect_to(port);
  EXPECT_FALSE(connected(client, Millis{1'000}));
}

TEST(ListenerSetTest, AShutListenerRefusesAlthoughAChildInheritedACopy) {
  ListenerSet set = open("127.0.0.1:0");
  const std::uint16_t port = port_of(set);
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  set.shut();
  EXPECT_FALSE(connected(connect_to(port), Millis{1'000}));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

// A client that never sees our SYN-ACK.
class HalfOpenClient {
 public:
  explicit HalfOpenClient(std::uint16_t port)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sock_filter nothing{BPF_RET | BPF_K, 0, 0, 0};
    const sock_fprog filter{1, &nothing};
    EXPECT_EQ(::setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter), 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  // From now on it does.
  const UniqueFd& let_go() const {
    const int ignored = 0;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof ignored);
    return fd_;
  }

 private:
  UniqueFd fd_;
};

TEST(ListenerSetTest, AHandshakeUnderWayEndsBehindTheClosedDoor) {
  ListenerSet set = open("127.0.0.1:0");
  const HalfOpenClient client(port_of(set));
  EXPECT_EQ(set.measure().half_open, 1U);
  EXPECT_TRUE(set.close_the_door().empty());
  EXPECT_EQ(set.measure().half_open, 1U);
  EXPECT_TRUE(connected(client.let_go(), Millis{10'000})) << "our SYN-ACK comes again";
  EXPECT_EQ(set.measure().half_open, 0U);
  EXPECT_EQ(set.measure().queued, 1U);
}

TEST(ListenerSetTest, AnInheritedListenerIsNeitherFilteredNorShutNorMeasured) {
  ListenerSet theirs = open("127.0.0.1:0");
  const std::uint16_t port = port_of(theirs);
  std::vector<InheritedListener> given;
  given.push_back({"http", "127.0.0.1:" + std::to_string(port),
                   std::move(theirs.duplicates().value().front())});
  const auto spec = parse_listener_spec("127.0.0.1:1").value();
  ListenerSet ours = ListenerSet::open({spec}, std::move(given)).value();
  EXPECT_EQ(port_of(ours), port);
  EXPECT_TRUE(ours.infos().at(0).kept);
  const UniqueFd queued = connect_to(port);
  ASSERT_TRUE(connected(queued, Millis{1'000}));
  EXPECT_EQ(ours.measure().queued, 0U) << "it is the next one's";
  EXPECT_TRUE(ours.close_the_door().empty());
  ours.shut();
  EXPECT_TRUE(connected(connect_to(port), Millis{1'000}));
  EXPECT_EQ(theirs.measure().queued, 2U);
}

TEST(ListenerSetTest, AUnixPathIsUnlinkedWhenTheDoorCloses) {
  const std::string path = temporary_path("listener");
  ListenerSet set = open("unix:" + path + ",mode=0600");
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  set.close_the_door();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ListenerSetTest, ASuccessorsUnixPathIsLeftAlone) {
  const std::string path = temporary_path("successor");
  ListenerSet first = open("unix:" + path);
  std::filesystem::remove(path);
  ListenerSet second = open("unix:" + path);
  first.shut();
  EXPECT_TRUE(std::filesystem::exists(path));
  second.shut();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(QueueProbeTest, CountsAUnixQueueAsSomebodyOrNobody) {
  const std::string path = temporary_path("queue");
  ListenerSet set = open("unix:" + path);
  EXPECT_EQ(set.measure().queued, 0U);
  UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  EXPECT_EQ(set.measure().queued, 1U);
  set.shut();
}

TEST(QueueProbeTest, NoPortsHaveNoHandshakes) { EXPECT_EQ(half_open_connections({}), 0U); }

std::vector<ListenerSpec> specs(std::initializer_list<const char*> texts) {
  std::vector<ListenerSpec> result;
  for (const char* text : texts) result.push_back(parse_listener_spec(text).value());
  return result;
}

// Two generations on one set, the first one prepared.
struct GenerationsTest : ::testing::Test {
  void begin(std::initializer_list<const char*> first) {
    set = ListenerSet::open(specs(first)).value();
    set.prepare(one, specs(first)).value();
  }

  std::uint16_t port(GenerationId generation, std::size_t at) const {
    const std::string address = set.infos(generation).at(at).address;
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  }

  ListenerSet set;
  GenerationId one{1};
  GenerationId two{2};
  GenerationId three{3};
};

TEST_F(GenerationsTest, SameNameAndAddressIsTheSameSocket) {
  begin({"a=127.0.0.1:0", "b=127.0.0.1:0"});
  const auto gone = set.prepare(two, specs({"b=127.0.0.1:0", "a=127.0.0.1:0"}));
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_TRUE(gone->empty());
  EXPECT_EQ(port(two, 0), port(one, 1));
  EXPECT_EQ(port(two, 1), port(one, 0));
}

TEST_F(GenerationsTest, SameAddressUnderAnotherNameIsTheSameSocket) {
  const std::string path = temporary_path("renamed");
  begin({});
  ASSERT_TRUE(set.prepare(one, specs({("a=unix:" + path).c_str()})));
  const auto gone = set.prepare(two, specs({("b=unix:" + path).c_str()}));
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_TRUE(gone->empty()) << "its clients find the new generation";
  EXPECT_EQ(set.infos(two).at(0).name, "b");
  EXPECT_EQ(set.infos(one).at(0).name, "a");
}

// The mode and owner of a Unix socket that a reload keeps.
struct SocketAccessTest : GenerationsTest {
  void SetUp() override {
    begin({});
    ASSERT_TRUE(set.prepare(one, with(",mode=0666")));
    inode = info().st_ino;
  }
  void TearDown() override {
    set.shut();
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  std::vector<ListenerSpec> with(const std::string& access) const {
    return specs({("a=unix:" + path + access).c_str()});
  }
  struct stat info() const {
    struct stat found {};
    EXPECT_EQ(::lstat(path.c_str(), &found), 0);
    return found;
  }
  mode_t mode() const { return info().st_mode & 0777; }

  const std::string path = temporary_path("access");
  ino_t inode = 0;
};

TEST_F(SocketAccessTest, ChangesAtTheCommit) {
  ASSERT_TRUE(set.prepare(two, with(",mode=0600")));
  EXPECT_EQ(mode(), 0666U) << "it may fail yet";
  EXPECT_TRUE(set.forget(one).empty());
  EXPECT_EQ(mode(), 0600U);
  EXPECT_EQ(info().st_ino, inode) << "the same socket";
  ASSERT_TRUE(set.prepare(three, with(",mode=0660")));
  EXPECT_TRUE(set.forget(two).empty());
  EXPECT_EQ(mode(), 0660U);
}

TEST_F(SocketAccessTest, StaysWhenTheCandidateFails) {
  ASSERT_TRUE(set.prepare(two, with(",mode=0600")));
  EXPECT_TRUE(set.forget(two).empty());
  EXPECT_EQ(mode(), 0666U);
}

TEST_F(SocketAccessTest, IsThatOfANewSocketWhenTheFileSaysNothingMore) {
  const mode_t before = ::umask(027);
  ASSERT_TRUE(set.prepare(two, with("")));
  EXPECT_TRUE(set.forget(one).empty());
  ::umask(before);
  EXPECT_EQ(mode(), 0750U);
}

TEST_F(SocketAccessTest, AnUnknownNameRefusesTheReload) {
  const auto refused = set.prepare(two, with(",mode=0600,group=no-such-group"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "cannot listen on unix:" + path + ": no group no-such-group");
  EXPECT_TRUE(set.infos(two).empty());
  EXPECT_EQ(mode(), 0666U);
}

TEST_F(SocketAccessTest, OfAnotherFileAtItsPathIsLeftAlone) {
  ASSERT_TRUE(set.prepare(two, with(",mode=0600")));
  std::filesystem::rename(path, path + ".away");
  const ListenerSet other = open("unix:" + path + ",mode=0644");
  const auto errors = set.forget(one);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].message,
            "cannot change who may connect to unix:" + path + ": another file is there");
  EXPECT_EQ(mode(), 0644U);
  std::filesystem::remove(path);
  std::filesystem::rename(path + ".away", path);
}

TEST_F(SocketAccessTest, IsGivenToItsNewOwnerAndBack) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  ASSERT_TRUE(set.prepare(two, with(",mode=0660,user=nobody,group=daemon")));
  EXPECT_TRUE(set.forget(one).empty());
  EXPECT_EQ(info().st_uid, 65'534U);
  EXPECT_EQ(info().st_gid, ::getgrnam("daemon")->gr_gid);
  EXPECT_EQ(mode(), 0660U);
  ASSERT_TRUE(set.prepare(three, with(",mode=0660")));
  EXPECT_TRUE(set.forget(two).empty());
  EXPECT_EQ(info().st_uid, 0U);
  EXPECT_EQ(info().st_gid, ::getegid());
}

TEST_F(GenerationsTest, SameNameAtAnotherAddressIsANewSocketAndTheOldOneIsGone) {
  const std::string path = temporary_path("moved");
  begin({"a=127.0.0.1:0"});
  const auto gone = set.prepare(two, specs({("a=unix:" + path).c_str()}));
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_EQ(*gone, std::vector<std::string>{"a"});
  EXPECT_TRUE(connected(connect_to(port(one, 0)), Millis{1'000})) << "until it is emptied";
}

TEST_F(GenerationsTest, FailedGenerationTakesOnlyItsOwnListenersWithIt) {
  const std::string path = temporary_path("failed");
  begin({"a=127.0.0.1:0"});
  ASSERT_TRUE(set.prepare(two, specs({"a=127.0.0.1:0", ("b=unix:" + path).c_str()})));
  EXPECT_TRUE(std::filesystem::exists(path));
  set.forget(two);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(set.infos().size(), 1U);
  EXPECT_TRUE(connected(connect_to(port(one, 0)), Millis{1'000}));
}

TEST_F(GenerationsTest, WhatCannotBeBoundChangesNothing) {
  const std::string path = temporary_path("not_bound");
  const ListenerSet other = open("127.0.0.1:0");
  begin({"a=127.0.0.1:0"});
  const std::string busy = "c=" + other.infos().at(0).address;
  EXPECT_FALSE(set.prepare(two, specs({("b=unix:" + path).c_str(), busy.c_str()})));
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(set.infos().size(), 1U);
  EXPECT_TRUE(set.infos(two).empty());
}

TEST_F(GenerationsTest, RemovedListenerIsEmptiedThenShutAndTheOthersStay) {
  begin({"a=127.0.0.1:0", "b=127.0.0.1:0"});
  const std::uint16_t kept = port(one, 0);
  const std::uint16_t removed = port(one, 1);
  EXPECT_EQ(set.prepare(two, specs({"a=127.0.0.1:0"})).value(), std::vector<std::string>{"b"});
  const UniqueFd waiting = connect_to(removed);
  ASSERT_TRUE(connected(waiting, Millis{1'000}));
  EXPECT_TRUE(set.close_the_door(one).empty());
  set.forget(one);
  EXPECT_EQ(set.measure(one).queued, 1U) << "who came before is still there";
  EXPECT_FALSE(connected(connect_to(removed), Millis{200}));
  EXPECT_TRUE(connected(connect_to(kept), Millis{1'000}));
  EXPECT_EQ(set.infos().size(), 2U);
  set.shut(one);
  EXPECT_EQ(set.infos().size(), 1U);
  EXPECT_TRUE(connected(connect_to(kept), Millis{1'000}));
}

// `b` was removed and is being emptied; somebody waits in its queue.
struct GivenBackTest : GenerationsTest {
  void SetUp() override {
    begin({"a=127.0.0.1:0", "b=127.0.0.1:0"});
    removed = port(one, 1);
    ASSERT_TRUE(set.prepare(two, specs({"a=127.0.0.1:0"})));
    early = connect_to(removed);
    ASSERT_TRUE(connected(early, Millis{1'000}));
    set.close_the_door(one);
    set.forget(one);
  }

  // It was neither reset nor closed: nothing can be read from it.
  static bool waits(const UniqueFd& client) {
    pollfd entry{client.get(), POLLIN | POLLRDHUP, 0};
    return ::poll(&entry, 1, 0) == 0;
  }

  void give_back(TakenBack when = TakenBack::AtCommit) {
    ASSERT_TRUE(set.prepare(three, specs({"a=127.0.0.1:0", "b=127.0.0.1:0"}), when));
    ASSERT_EQ(port(three, 1), removed);
  }

  std::uint16_t removed = 0;
  UniqueFd early;
};

TEST_F(GivenBackTest, TakesClientsAgainAtTheCommit) {
  give_back();
  EXPECT_FALSE(connected(connect_to(removed), Millis{200})) << "it may fail yet";
  set.forget(two);  // the commit
  EXPECT_TRUE(connected(connect_to(removed), Millis{1'000}));
  set.shut(one);
  EXPECT_TRUE(connected(connect_to(removed), Millis{1'000}));
  EXPECT_TRUE(waits(early));
}

TEST_F(GivenBackTest, IsClaimedByTheCandidateUntilTheVerdict) {
  EXPECT_FALSE(set.measure(one).claimed);
  give_back();
  EXPECT_TRUE(set.measure(one).claimed);
  EXPECT_FALSE(set.measure(one).given_back);
  set.forget(three);
  EXPECT_FALSE(set.measure(one).claimed);
  EXPECT_FALSE(set.measure(one).given_back);
  give_back();
  set.forget(two);  // the commit
  EXPECT_FALSE(set.measure(one).claimed);
  EXPECT_TRUE(set.measure(one).given_back);
  EXPECT_EQ(set.measure(one).queued, 0U) << "who waits is the candidate's";
}

TEST_F(GivenBackTest, StaysOpenForTheCandidateWhenTheOldOnesHaveClosedIt) {
  give_back();
  set.shut(one);
  EXPECT_TRUE(waits(early));
  set.forget(two);
  EXPECT_TRUE(connected(connect_to(removed), Millis{1'000}));
}

TEST_F(GivenBackTest, IsStillEmptiedWhenTheCandidateFails) {
  give_back();
  EXPECT_EQ(set.measure(one).queued, 1U) << "the candidate may never take it";
  set.forget(three);
  EXPECT_TRUE(waits(early)) << "the old ones are about to accept it";
  EXPECT_EQ(set.measure(one).queued, 1U);
  EXPECT_FALSE(connected(connect_to(removed), Millis{200}));
  set.shut(one);
  EXPECT_EQ(set.infos().size(), 1U);
}

TEST_F(GivenBackTest, GoesWithACandidateThatFailsAfterItWasEmptied) {
  give_back();
  set.shut(one);
  EXPECT_EQ(set.infos().size(), 2U);
  set.forget(three);
  EXPECT_EQ(set.infos().size(), 1U);
}

TEST_F(GivenBackTest, ToWorkersThatCannotWaitItTakesClientsAtOnceAndIsEmptiedAgainWhenTheyFail) {
  give_back(TakenBack::AtOnce);
  const UniqueFd late = connect_to(removed);
  EXPECT_TRUE(connected(late, Millis{1'000}));
  set.forget(three);
  EXPECT_EQ(set.measure(one).queued, 2U);
  EXPECT_FALSE(connected(connect_to(removed), Millis{200}));
  EXPECT_TRUE(waits(late));
}

TEST_F(GivenBackTest, AFullStopOpensNoDoor) {
  give_back();
  set.close_the_door();
  set.forget(three);
  EXPECT_FALSE(connected(connect_to(port(two, 0)), Millis{200}));
  EXPECT_FALSE(connected(connect_to(removed), Millis{200}));
  EXPECT_TRUE(waits(early));
}

TEST_F(GivenBackTest, RemovedOnceMoreItGoesWhenBothHaveClosedIt) {
  give_back();
  set.forget(two);
  ASSERT_EQ(set.prepare(GenerationId{4}, specs({"a=127.0.0.1:0"})).value(),
            std::vector<std::string>{"b"});
  set.close_the_door(three);
  set.forget(three);
  set.shut(one);
  EXPECT_TRUE(waits(early)) << "the others accept from it yet";
  set.shut(three);
  EXPECT_EQ(set.infos().size(), 1U);
}

TEST_F(GenerationsTest, InheritedListenerThatAReloadRemovedStaysOpenForItsOwner) {
  const ListenerSet theirs = open("a=127.0.0.1:0");
  std::vector<InheritedListener> given;
  given.push_back(
      {"a", theirs.infos().at(0).address, std::move(theirs.duplicates().value().front())});
  set = ListenerSet::open(specs({"a=127.0.0.1:0"}), std::move(given)).value();
  ASSERT_TRUE(set.prepare(one, specs({"a=127.0.0.1:0"})));
  const std::uint16_t port_of_theirs = port(one, 0);
  ASSERT_TRUE(set.prepare(two, specs({"b=127.0.0.1:0"})));
  set.close_the_door(one);
  set.forget(one);
  set.shut(one);
  EXPECT_TRUE(connected(connect_to(port_of_theirs), Millis{1'000}));
}

}  // namespace
}  // namespace holdfast::supervisor
