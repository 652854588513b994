// SPDX-License-Identifier: Apache-2.0
#pragma once
// What connectors of every kind find out about a site, judged in one place: what is seen -> a finding without source and time.
// Pure.

#include "broker/domain/doctor_report.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hansa::domain {

inline Finding finding(std::string check, DoctorVerdict verdict, std::string value, std::string remedy = {}) {
  return {.check = std::move(check), .verdict = verdict, .value = std::move(value), .remedy = std::move(remedy)};
}

/// CLOCK: how far the site's clock is ahead of ours, negative if it is behind.
Finding judge_clock(Seconds ahead, Seconds tolerated);

/// TIME_ZONE: what the site's commands write against what they were asked for, which is UTC.
Finding judge_time_zone(Seconds off);

/// JOB_IDS: they are used again once the last one is reached.
Finding judge_job_ids(std::int64_t first, std::int64_t last);

/// FENCE: of two links made under one name one after the other. `created` the first, `holder` as the second was told.
Finding judge_fence(bool created, bool second_created, const std::string& holder, const std::string& wanted_holder);

/// ROOM: of the file system that an account's work_dir is on. Without a limit of files (btrfs) `files` is 0.
struct DiskRoom {
  std::uint64_t bytes_free = 0, bytes = 0;
  std::uint64_t files_free = 0, files = 0;
};
Finding judge_room(const DiskRoom& room);

/// CPU_LIMIT: what a process of the account may use up; none: as much as it likes.
Finding judge_cpu_limit(std::optional<Seconds> limit);

/// CONTAINERS: runtimes on the host where the site's commands run, as "apptainer version 1.3.4". `is_node`: jobs run on it, and
/// so that is all there is.
Finding judge_containers(const std::vector<std::string>& runtimes, bool is_node = false);

/// GPUS: model and number of each, all nodes together; the vendor by the model's name.
Finding judge_gpus(const std::vector<std::pair<std::string, std::int64_t>>& models);

/// NETWORK, of each queue in the site's own word (site.profile.outbound); without it nobody knows before a job has tried.
std::vector<Finding> told_of_network(const std::vector<std::string>& outbound);
/// NETWORK, of the machine that jobs run on: whether it has a way out, by its routes.
Finding judge_network(bool default_route);

std::string bytes_text(std::uint64_t bytes);  // "1.5 GiB"

}  // namespace hansa::domain
