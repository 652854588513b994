// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the lines of waiting jobs have been told, where intake reads it on its own threads: most submissions under load join a
// line, and the way to placement's strand and back, two changes of thread, cost them more than the question.
//
// Placement writes it on its strand, in the same step in which it changes what the board speaks of: whoever reads it gets what
// they would have been told on the strand at that moment.

#include "broker/core/clock.hpp"
#include "broker/engine/intake.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hansa::engine {

/// What a line was told: the word itself, the state that it puts a job into, and why.
struct Notice {
  domain::EventBody word;
  domain::JobState state{};
  domain::Decision decision;        // stored
  MonotonicTime good_until{};
};

/// What makes jobs alike to placement: they get the same verdicts and stand in one line.
std::string shape_of(const domain::Job& job);

/// Thread-safe.
class NoticeBoard {
 public:
  /// None: only placement can say, on its strand. No events in it: nothing can be said yet, the next round will.
  [[nodiscard]] std::optional<Foresight> foresee(const domain::Job& job, MonotonicTime now) const;

  // By placement.
  /// The rounds begun; whether there is news, so that nothing on the board counts until every line is looked at again; whether
  /// anybody waits.
  void outlook(std::int64_t round, bool news, bool anybody_waits);
  /// Null: that line has been told nothing that counts.
  void put_up(const std::string& shape, std::shared_ptr<const Notice> notice);
  void take_all_down();

 private:
  mutable std::mutex mutex_;  // guards all below; a notice is never changed
  std::int64_t round_ = 0;
  bool news_ = true;
  bool anybody_waits_ = false;
  std::map<std::string, std::shared_ptr<const Notice>> notices_;  // by shape
};

}  // namespace hansa::engine
