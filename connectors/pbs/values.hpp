// SPDX-License-Identifier: Apache-2.0
#pragma once
// The words inside PBS's records: times, lengths, sizes, nodes and what of them a job has. Pure; every reader takes any bytes.

#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"
#include "connectors/batch/values.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::pbs {

using batch::parse_count;

/// Digits, at most 18, with a '-' before them or not.
std::optional<std::int64_t> parse_integer(std::string_view text);

/// "Sun Nov 22 09:05:22 2026" as qstat writes it under TZ=UTC, or seconds since 1970.
std::optional<UtcTime> parse_time(std::string_view text);

/// "01:30:00", "1000:00:00", "90".
std::optional<Seconds> parse_length(std::string_view text);

/// "24683620kb", "4gb", "512mb", "8192b", "1kw" (words of 8 bytes), a number of bytes, large letters too: rounded up to MiB.
std::optional<Mebibytes> parse_size(std::string_view text);
/// The same of what there is to be had: rounded down, or a job that asks for all of it would never run.
std::optional<Mebibytes> parse_room(std::string_view text);

bool parse_truth(std::string_view text);  // "True"; anything else is false

/// Digits, "[]" or "[7]" of an array, '.', the server's name: "12.pbs01", "19[2].pbs01".
bool is_job_id(std::string_view text);

/// How a site calls its GPUs: resources that PBS has no fixed names for.
struct GpuNames {
  std::string count = "ngpus";
  std::string model = {};  // "": none tells
};

/// A part of a job: what it asks for, `copies` of it, or what it has of one node.
struct Chunk {
  std::string node;  // "": not placed yet
  std::int64_t copies = 1;
  std::int64_t cores = 0;
  Mebibytes memory{0};
  std::int64_t gpus = 0;
  std::string gpu_model;
};

/// "2:ncpus=4:mem=1gb+ncpus=1": a select statement. None if it is malformed. Unknown resources are skipped.
std::optional<std::vector<Chunk>> parse_select(std::string_view text, const GpuNames& gpus);

/// "(n1:ncpus=4:mem=1048576kb+n2:ncpus=4)+(n1:ncpus=1)": an exec_vnode, one chunk for each node.
std::optional<std::vector<Chunk>> parse_exec_vnode(std::string_view text, const GpuNames& gpus);

}  // namespace hansa::connectors::pbs
