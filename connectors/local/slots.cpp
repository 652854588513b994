// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/slots.hpp"

#include <algorithm>
#include <optional>

namespace hansa::connectors::local {

Room& Room::operator+=(const Room& other) {
  cores += other.cores;
  memory_mib += other.memory_mib;
  gpus += other.gpus;
  return *this;
}

Room& Room::operator-=(const Room& other) {
  cores -= other.cores;
  memory_mib -= other.memory_mib;
  gpus -= other.gpus;
  return *this;
}

Room room_for(const domain::Resources& resources, const Room& total) {
  const std::int64_t cores = std::int64_t{resources.tasks} * resources.cpus_per_task;
  const bool fits =
      cores <= total.cores && resources.memory_per_node.value <= total.memory_mib && resources.gpus_per_node <= total.gpus;
  if (resources.exclusive && fits) return total;
  const auto memory = resources.memory_per_node.value > 0
                          ? resources.memory_per_node.value
                          : total.memory_mib * std::min(cores, total.cores) / std::max<std::int64_t>(total.cores, 1);
  return {.cores = cores, .memory_mib = memory, .gpus = resources.gpus_per_node};
}

std::vector<std::size_t> choose_starts(Room total, const std::vector<Occupant>& running, const std::vector<Candidate>& waiting,
                                       UtcTime now) {
  auto occupants = running;
  Room free = total;
  for (const auto& each : occupants) free -= each.room;

  std::vector<std::size_t> starts;
  std::optional<UtcTime> reserved_at;  // when the first job that has to wait starts at the latest
  Room beside;                         // what is free then, beside it
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    const auto& job = waiting[i];
    const auto end = now + job.time_limit;
    const bool in_the_way = reserved_at && end > *reserved_at;
    if (free.holds(job.room) && (!in_the_way || beside.holds(job.room))) {
      free -= job.room;
      if (in_the_way) beside -= job.room;
      if (!reserved_at) occupants.push_back({job.room, end});
      starts.push_back(i);
      continue;
    }
    if (reserved_at) continue;
    std::ranges::sort(occupants, {}, &Occupant::expected_end);
    Room then = free;
    reserved_at = UtcTime::max();  // for a job that is larger than the machine, nobody waits
    for (const auto& each : occupants) {
      then += each.room;
      if (!then.holds(job.room)) continue;
      reserved_at = std::max(each.expected_end, now);
      break;
    }
    beside = then;
    beside -= job.room;
  }
  return starts;
}

}  // namespace hansa::connectors::local
