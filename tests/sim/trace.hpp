// SPDX-License-Identifier: Apache-2.0
#pragma once
// What happened, line by line: as a hash that two plays of one seed must share, and for people who want to read it.

#include "simulation/virtual_scheduler.hpp"

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

namespace hansa::sim {

class Trace {
 public:
  Trace(const simulation::VirtualScheduler& time, std::ostream* out) : time_(time), out_(out) {}

  /// For people only.
  void note(std::string_view line) {
    if (out_ != nullptr) *out_ << "  " << time_.now_monotonic().since_origin.count() << "  " << line << '\n';
  }
  void add(std::string_view line) {
    note(line);
    mix(static_cast<std::uint64_t>(time_.now_monotonic().since_origin.count()));
    for (const char c : line) mix(static_cast<unsigned char>(c));
  }
  [[nodiscard]] bool is_read() const { return out_ != nullptr; }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }

 private:
  void mix(std::uint64_t word) { hash_ = (hash_ ^ word) * 0x100000001b3U; }  // FNV-1a

  const simulation::VirtualScheduler& time_;
  std::ostream* out_;
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace hansa::sim
