#include "worker/metrics/question_book.hpp"

#include <gtest/gtest.h>

namespace holdfast::metrics {
namespace {

using Ids = std::vector<QuestionBook::Id>;
constexpr TimePoint kStart{std::chrono::hours(1)};

TEST(QuestionBookTest, TheFirstClientIsAskedForAtOnceAndGetsTheAnswer) {
  QuestionBook book;
  const auto id = book.arrive(kStart);
  const auto due = book.due(kStart);
  EXPECT_TRUE(due.ask);
  EXPECT_TRUE(due.late.empty());
  EXPECT_EQ(book.answered(), Ids{id});
  EXPECT_FALSE(book.wake_at());
}

TEST(QuestionBookTest, WhoComesAfterAQuestionGetsTheAnswerOfTheNextOne) {
  QuestionBook book;
  const auto first = book.arrive(kStart);
  book.due(kStart);
  const auto second = book.arrive(kStart);
  EXPECT_FALSE(book.due(kStart).ask) << "one question at a time";
  EXPECT_EQ(book.answered(), Ids{first});
  EXPECT_FALSE(book.due(kStart).ask) << "not so soon";
  EXPECT_EQ(book.wake_at(), kStart + kQuestionSpacing);
  EXPECT_TRUE(book.due(kStart + kQuestionSpacing).ask);
  EXPECT_EQ(book.answered(), Ids{second});
}

TEST(QuestionBookTest, ManyClientsShareOneQuestion) {
  QuestionBook book;
  book.arrive(kStart);
  book.due(kStart);
  book.answered();
  Ids ids;
  for (int i = 0; i < 100; ++i) {
    ids.push_back(book.arrive(kStart));
    EXPECT_FALSE(book.due(kStart).ask);
  }
  EXPECT_TRUE(book.due(kStart + kQuestionSpacing).ask);
  EXPECT_EQ(book.answered(), ids);
}

TEST(QuestionBookTest, NobodyWaitsLongerThanTheTimeoutWhetherAskedForOrNot) {
  QuestionBook book;
  const auto asked = book.arrive(kStart);
  book.due(kStart);
  const auto waiting = book.arrive(kStart + Millis(300));
  EXPECT_EQ(book.wake_at(), kStart + kAnswerTimeout);
  EXPECT_EQ(book.due(kStart + kAnswerTimeout).late, Ids{asked});
  EXPECT_EQ(book.wake_at(), kStart + Millis(300) + kAnswerTimeout);
  const auto due = book.due(kStart + Millis(300) + kAnswerTimeout);
  EXPECT_EQ(due.late, Ids{waiting});
  EXPECT_FALSE(due.ask) << "a supervisor that does not answer gets no second question";
  EXPECT_FALSE(book.wake_at());
}

TEST(QuestionBookTest, AnAnswerThatComesTooLateGoesToNobodyAndTheNextQuestionIsAsked) {
  QuestionBook book;
  book.arrive(kStart);
  book.due(kStart);
  const TimePoint later = kStart + kAnswerTimeout;
  EXPECT_EQ(book.due(later).late.size(), 1U);
  const auto next = book.arrive(later);
  EXPECT_FALSE(book.due(later).ask);
  EXPECT_TRUE(book.answered().empty());
  EXPECT_TRUE(book.due(later).ask);
  EXPECT_EQ(book.answered(), Ids{next});
}

TEST(QuestionBookTest, AtTheEndEverybodyIsTold) {
  QuestionBook book;
  const auto asked = book.arrive(kStart);
  book.due(kStart);
  const auto waiting = book.arrive(kStart);
  EXPECT_EQ(book.all(), (Ids{asked, waiting}));
  EXPECT_TRUE(book.all().empty());
}

}  // namespace
}  // namespace holdfast::metrics
