// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long a person's next job probably runs: as long as their last two did, on average (Tsafrir, Etsion, Feitelson, "Backfilling
// using system-generated predictions rather than user runtime estimates", TPDS 2007). For ordering only: as a bound it is
// wrong too often.

#include <algorithm>
#include <cstdint>
#include <map>

namespace hansa::routing {

template <typename Person>
class RunHistory {
 public:
  /// A job of theirs ran for so many seconds.
  void ran(const Person& person, std::int64_t seconds) {
    auto& runs = runs_[person];
    runs.before = runs.count == 0 ? seconds : runs.last;
    runs.last = seconds;
    runs.count = std::min(runs.count + 1, 2);
  }

  /// 1 to `limit`; the limit while nothing is known.
  [[nodiscard]] std::int64_t expected(const Person& person, std::int64_t limit) const {
    const auto runs = runs_.find(person);
    if (runs == runs_.end()) return limit;
    return std::clamp<std::int64_t>((runs->second.last + runs->second.before) / 2, 1, std::max<std::int64_t>(limit, 1));
  }

 private:
  struct Runs {
    std::int64_t last = 0;
    std::int64_t before = 0;
    int count = 0;
  };
  std::map<Person, Runs> runs_;
};

}  // namespace hansa::routing
