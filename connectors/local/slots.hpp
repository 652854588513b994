// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which waiting jobs start now, on one machine: in order, and with EASY backfilling a later one before its turn if it
// cannot delay the first that has to wait. Pure.

#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"
#include "broker/domain/job.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hansa::connectors::local {

struct Room {
  std::int64_t cores = 0;
  std::int64_t memory_mib = 0;
  std::int64_t gpus = 0;

  [[nodiscard]] bool holds(const Room& need) const {
    return cores >= need.cores && memory_mib >= need.memory_mib && gpus >= need.gpus;
  }
  Room& operator+=(const Room& other);
  Room& operator-=(const Room& other);
  friend bool operator==(const Room&, const Room&) = default;
};

/// What a job takes of a machine of `total`: all of it if that is for itself alone and holds it; memory that it does not ask for comes with its share of the cores.
Room room_for(const domain::Resources& resources, const Room& total);

struct Occupant {
  Room room;
  UtcTime expected_end{};             // by its wall-time limit
};

struct Candidate {
  Room room;
  Seconds time_limit{0};
};

/// Indices of the candidates that start at `now`, rising.
std::vector<std::size_t> choose_starts(Room total, const std::vector<Occupant>& running, const std::vector<Candidate>& waiting,
                                       UtcTime now);

}  // namespace hansa::connectors::local
