#include "supervisor/core/service_notice.hpp"

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

constexpr std::uint64_t kNow = 123'456;

Report about(const std::string& event) {
  return report(event).with("generation", std::uint64_t{7}).with("reason", std::string("it broke"));
}

ServiceNotices in(ServicePhase phase) {
  ServiceNotices notices;
  notices.pid = 42;
  notices.phase = phase;
  return notices;
}

struct Cell {
  std::string event;
  std::string notice;  // its first lines, without STATUS
  std::optional<ServicePhase> next;
};

TEST(ServiceNoticeTest, EachEventSaysTheSameInEveryPhaseButNothingComesAfterStopping) {
  const std::vector<Cell> cells{
      {"serving", "READY=1\nMAINPID=42\n", ServicePhase::Serving},
      {"reload_started", "RELOADING=1\nMONOTONIC_USEC=123456\n", ServicePhase::Reloading},
      {"reload_done", "READY=1\n", ServicePhase::Serving},
      {"reload_failed", "READY=1\n", ServicePhase::Serving},
      {"reload_waiting", "", std::nullopt},
      {"gave_up", "", std::nullopt},
      {"start_failed", "", std::nullopt},
      {"stopping", "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\n", ServicePhase::Stopping},
  };
  for (const ServicePhase phase : {ServicePhase::Starting, ServicePhase::Serving,
                                   ServicePhase::Reloading, ServicePhase::Stopping}) {
    for (const Cell& cell : cells) {
      ServiceNotices notices = in(phase);
      const std::string notice = notice_of(notices, about(cell.event), kNow);
      if (phase == ServicePhase::Stopping) {
        EXPECT_EQ(notice, "") << cell.event;
        EXPECT_EQ(notices, in(phase)) << cell.event;
        continue;
      }
      EXPECT_EQ(notice, cell.notice + "STATUS=" + notices.status) << cell.event;
      EXPECT_EQ(notices.phase, cell.next.value_or(phase)) << cell.event;
      EXPECT_NE(notices.status, "") << cell.event;
    }
    for (const char* other : {"started", "worker_ready", "worker_exited", "drained", "stopped"}) {
      ServiceNotices notices = in(phase);
      EXPECT_EQ(notice_of(notices, about(other), kNow), "") << other;
      EXPECT_EQ(notices, in(phase)) << other;
    }
  }
}

TEST(ServiceNoticeTest, AFailedReloadSaysWhyInOneLine) {
  ServiceNotices notices = in(ServicePhase::Reloading);
  const Report failed = failure("reload_failed")
                            .with("generation", std::uint64_t{8})
                            .with("reason", std::string("cannot run a\nb: no"));
  EXPECT_EQ(notice_of(notices, failed, kNow),
            "READY=1\nSTATUS=reload to generation 8 failed: cannot run a b: no; the old one serves "
            "on");
}

TEST(ServiceNoticeTest, TicksComeAtHalfTheWatchdogAndWhileSomethingIsUnderWay) {
  ServiceNotices notices = in(ServicePhase::Serving);
  EXPECT_EQ(tick_after_usec(notices), std::nullopt) << "nothing happens: nobody is woken";
  notices.watchdog_usec = 3'000'000;
  EXPECT_EQ(tick_after_usec(notices), 1'500'000u);
  EXPECT_EQ(tick_notice(notices), "WATCHDOG=1");
  notices.watchdog_usec = 60'000'000;
  EXPECT_EQ(tick_after_usec(notices), 30'000'000u);
  for (const ServicePhase phase :
       {ServicePhase::Starting, ServicePhase::Reloading, ServicePhase::Stopping}) {
    notices.phase = phase;
    notices.watchdog_usec = 60'000'000;
    EXPECT_EQ(tick_after_usec(notices), kNoticeTickMicros);
    EXPECT_EQ(tick_notice(notices), "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=30000000");
    notices.watchdog_usec.reset();
    EXPECT_EQ(tick_notice(notices), "EXTEND_TIMEOUT_USEC=30000000");
  }
  static_assert(kExtendMicros > 2 * kNoticeTickMicros);
}

}  // namespace
}  // namespace holdfast::supervisor
