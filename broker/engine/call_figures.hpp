// SPDX-License-Identifier: Apache-2.0
#pragma once
// What was asked of one site since the broker started, and what came of it: for its metrics. Strand: the engine's.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/metrics/histogram.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::engine {

/// Which part of the site's budget a call is charged to: `snapshot` and `query` share one. What a snapshot meets is the site's
/// health: accounting may be away while the scheduler works. `read` touches only the account's own files, and costs no more than
/// a concurrent call.
enum class CallKind { snapshot, query, submit, cancel, read };

class CallFigures {
 public:
  struct ByKind {
    std::string_view kind;                 // as the enumerator
    std::int64_t begun = 0;
    metrics::Histogram::Reading took_ms;   // of those that ended
  };
  struct Faults {
    std::string code;  // "OTHER": what the site's own end calls otherwise than a code, or one code too many
    bool silent = false;  // the site did not answer; else its answer was no
    std::int64_t calls = 0;
  };
  struct Reading {
    std::vector<ByKind> kinds;  // all of them
    std::vector<Faults> faults;  // by code
  };

  void begun(CallKind kind) { ++of(kind).begun; }
  void ended(CallKind kind, Milliseconds took) { of(kind).took_ms.observe(took.count()); }
  void failed(const Error& error, bool silent) {
    std::pair key{is_code(error.code) ? error.code : kOther, silent};
    if (faults_.size() >= kMostCodes && !faults_.contains(key)) key.first = kOther;
    ++faults_[std::move(key)];
  }

  [[nodiscard]] std::int64_t all_begun() const {
    std::int64_t all = 0;
    for (const auto& kind : kinds_) all += kind.begun;
    return all;
  }
  [[nodiscard]] Reading read() const {
    Reading reading;
    for (std::size_t i = 0; i < kinds_.size(); ++i)
      reading.kinds.push_back({.kind = kNames[i], .begun = kinds_[i].begun, .took_ms = kinds_[i].took_ms.read()});
    for (const auto& [key, calls] : faults_) reading.faults.push_back({.code = key.first, .silent = key.second, .calls = calls});
    return reading;
  }

 private:
  static constexpr std::array<std::string_view, 5> kNames{"snapshot", "query", "submit", "cancel", "read"};  // as CallKind
  static constexpr std::array<std::int64_t, 10> kBounds{50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000, 30'000, 60'000};
  static constexpr std::size_t kMostCodes = 50, kLongestCode = 40;
  static inline const std::string kOther = "OTHER";
  struct Calls {
    std::int64_t begun = 0;
    metrics::Histogram took_ms{kBounds};
  };

  [[nodiscard]] Calls& of(CallKind kind) { return kinds_[static_cast<std::size_t>(kind)]; }
  /// An agent's or a plug-in's word may be anything.
  static bool is_code(std::string_view text) {
    return !text.empty() && text.size() <= kLongestCode &&
           text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string_view::npos;
  }

  std::array<Calls, kNames.size()> kinds_;
  std::map<std::pair<std::string, bool>, std::int64_t> faults_;
};

}  // namespace hansa::engine
