// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/breaker.hpp"

#include "broker/engine/site_desk.hpp"

#include <catch2/catch.hpp>

#include <set>

using hansa::Milliseconds;
using hansa::MonotonicTime;
using hansa::engine::Breaker;
using hansa::engine::BreakerOptions;

namespace {

constexpr BreakerOptions kThree{
    .failures = 3, .first_probe_after = Milliseconds{1'000}, .longest_probe_after = Milliseconds{4'000}};
MonotonicTime moment(std::int64_t ms) { return {Milliseconds{ms}}; }
bool about(Milliseconds interval, std::int64_t usual) {
  return interval.count() >= usual * 8 / 10 && interval.count() <= usual * 12 / 10;
}

}  // namespace

TEST_CASE("a breaker opens after so many failures in a row", "[engine]") {
  Breaker breaker(kThree, "alpha");
  CHECK_FALSE(breaker.failed(moment(0), false));
  CHECK_FALSE(breaker.failed(moment(1), false));
  CHECK_FALSE(breaker.answered());  // it was not open
  CHECK_FALSE(breaker.failed(moment(2), false));
  CHECK_FALSE(breaker.failed(moment(3), false));
  CHECK(breaker.state() == Breaker::State::closed);
  CHECK(breaker.failed(moment(4), false));
  CHECK(breaker.state() == Breaker::State::open);
  CHECK(breaker.failures() == 3);
}

TEST_CASE("probes of an open breaker are one at a time and ever more seldom", "[engine][T25]") {
  Breaker breaker(kThree, "alpha");
  for (int i = 0; i < 3; ++i) (void)breaker.failed(moment(0), false);
  std::int64_t now = 0;
  for (const std::int64_t usual : {1'000, 2'000, 4'000, 4'000, 4'000}) {
    CHECK(about(breaker.next_probe() - moment(now), usual));
    CHECK_FALSE(breaker.may_probe(breaker.next_probe() + Milliseconds{-1}));
    now = breaker.next_probe().since_origin.count();
    REQUIRE(breaker.may_probe(moment(now)));
    breaker.probe_begins();
    CHECK(breaker.state() == Breaker::State::half_open);
    CHECK_FALSE(breaker.may_probe(moment(now + 60'000)));
    const auto before = breaker.next_probe();
    CHECK_FALSE(breaker.failed(moment(now), false));  // one that was under way when it opened
    CHECK(breaker.next_probe() == before);
    now += 500;
    CHECK_FALSE(breaker.failed(moment(now), true));
    breaker.probe_ends();
    CHECK(breaker.state() == Breaker::State::open);
  }
  breaker.probe_begins();
  CHECK(breaker.answered());
  breaker.probe_ends();
  CHECK(breaker.state() == Breaker::State::closed);
  CHECK(breaker.failures() == 0);
}

TEST_CASE("a probe that told nothing may be made again at once", "[engine]") {
  Breaker breaker(kThree, "alpha");
  for (int i = 0; i < 3; ++i) (void)breaker.failed(moment(0), false);
  const auto due = breaker.next_probe();
  breaker.probe_begins();
  breaker.probe_ends();
  CHECK(breaker.open());
  CHECK(breaker.may_probe(due));
}

TEST_CASE("breakers that open together do not probe together, and each as before when it is played again", "[engine][T25]") {
  std::set<std::int64_t> times;
  for (int site = 0; site < 20; ++site) {
    Breaker breaker({}, "broker site" + std::to_string(site)), again({}, "broker site" + std::to_string(site));
    for (int i = 0; i < 5; ++i) (void)breaker.failed(moment(0), false), (void)again.failed(moment(0), false);
    CHECK(about(breaker.next_probe() - moment(0), 30'000));
    CHECK(breaker.next_probe() == again.next_probe());
    times.insert(breaker.next_probe().since_origin.count());
  }
  CHECK(times.size() >= 10);
}

TEST_CASE("what an error says of its site is one of three words", "[engine]") {
  using hansa::Error;
  using hansa::ErrorKind;
  using hansa::engine::CallKind;
  using hansa::engine::Heard;
  using hansa::engine::heard_in;
  const struct {
    ErrorKind kind;
    const char* code;
    Heard of_a_question, of_a_submission;
  } kTable[] = {
      {ErrorKind::unavailable, "SITE_DOWN", Heard::silence, Heard::silence},
      {ErrorKind::unavailable, "CODE_NOT_STAGED", Heard::nothing, Heard::nothing},
      {ErrorKind::unavailable, "SECRETS_NOT_STAGED", Heard::nothing, Heard::nothing},
      {ErrorKind::unavailable, "SITE_DRAINED", Heard::nothing, Heard::nothing},
      {ErrorKind::deadline_exceeded, "DEADLINE_EXCEEDED", Heard::silence, Heard::silence},
      {ErrorKind::deadline_exceeded, "SITE_BUDGET", Heard::nothing, Heard::nothing},
      {ErrorKind::unknown_outcome, "SITE_SILENT", Heard::silence, Heard::silence},
      {ErrorKind::unknown_outcome, "SITE_REFUSED", Heard::answer, Heard::answer},
      {ErrorKind::internal, "SITE_GARBLED", Heard::silence, Heard::answer},
      {ErrorKind::permission_denied, "NO_SUCH_ACCOUNT", Heard::answer, Heard::answer},
      {ErrorKind::invalid_argument, "NOT_FOR_SLURM", Heard::answer, Heard::answer},
      {ErrorKind::cancelled, "CANCELLED", Heard::nothing, Heard::nothing},
  };
  for (const auto& row : kTable) {
    INFO(row.code);
    const Error error{.kind = row.kind, .code = row.code};
    for (const auto kind : {CallKind::snapshot, CallKind::query}) CHECK(heard_in(kind, error) == row.of_a_question);
    for (const auto kind : {CallKind::submit, CallKind::cancel, CallKind::read})
      CHECK(heard_in(kind, error) == row.of_a_submission);
  }
}
