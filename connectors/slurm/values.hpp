// SPDX-License-Identifier: Apache-2.0
#pragma once
// The words inside Slurm's tables: times, limits, memory, TRES, exit codes. Pure; every reader takes any bytes.
//
// Times: SLURM_TIME_FORMAT=%s makes squeue, sacct and scontrol write seconds since 1970 (22.05.8 and 26.05.3:
// tests/data/slurm/*/squeue.epoch.out). A site that does not honour it writes ISO times in the zone it is asked for, TZ=UTC.

#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"
#include "connectors/batch/values.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurm {

using batch::Field;
using batch::Malformed;
using batch::parse_count;

/// "1795341614" or "2026-11-22T10:00:14"; none: "N/A", "Unknown", "None", "NONE", "(null)", "".
Field<UtcTime> parse_time(std::string_view text);

/// "10:00", "1:00:00", "1-02:00:00"; none: "UNLIMITED", "INFINITE", "NOT_SET", "Partition_Limit", "INVALID", "N/A", "NONE", "".
Field<Seconds> parse_limit(std::string_view text);

/// "16000M", "1.50G", "0", "100Mn": rounded up to MiB; a bare number is MiB. None: "N/A", "?", "".
Field<Mebibytes> parse_memory(std::string_view text);

/// "cpu=4,mem=400M,node=1,billing=4,gres/gpu=2,gres/gpu:a100=2". Unknown names are skipped.
struct Tres {
  std::int64_t cpus = 0;
  std::int64_t nodes = 0;
  std::int64_t gpus = 0;
  std::string gpu_model;  // "" unless exactly one is named
  Mebibytes memory{0};
  std::optional<std::int64_t> energy_j = {};  // of what has run: where sacct has its ConsumedEnergyRaw from
};
std::optional<Tres> parse_tres(std::string_view text);

/// Of a node's Gres, "gpu:a100:2(S:0-1),gpu:v100:1,mps:400": the model there is most of (ties: the first).
struct NodeGpus {
  std::int64_t count = 0;
  std::string model;
};
NodeGpus parse_node_gpus(std::string_view gres);

struct ExitCode {
  std::int32_t code = 0;
  std::int32_t signal = 0;
};
/// sacct's and 26.05's "3:0", or the raw wait status that squeue 22.05 writes ("768", "15").
std::optional<ExitCode> parse_exit_code(std::string_view text);

/// A job id as people see it: "7"; "7_3", a task of array 7; "7_[3-5,9%2]", tasks that were not taken apart; "34+1".
struct ShownId {
  std::string id;                     // of a task its array's; "" for what is none of these
  bool of_array = false;
  std::vector<std::int32_t> tasks;    // of_array, and none: a list that was cut short, or is longer than any of ours
};
ShownId parse_shown_id(std::string_view text);

/// "Key=Value Key=Value ..." as scontrol -o writes it. A value goes to the next " Key="; the first of equal keys counts, so
/// that free text at a line's end (Reason=) cannot override what stands before it.
std::map<std::string_view, std::string_view> parse_key_values(std::string_view line);

}  // namespace hansa::connectors::slurm
