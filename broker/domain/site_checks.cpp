// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/site_checks.hpp"

#include "broker/core/time_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace hansa::domain {

namespace {

using enum DoctorVerdict;

constexpr Seconds kUnnoticed{5};
constexpr std::int64_t kFewIds = 1'000'000;
constexpr std::uint64_t kLittleRoom = std::uint64_t{1} << 30;
constexpr std::uint64_t kFewFiles = 10'000;
constexpr Seconds kShortCpu{60};

std::string_view vendor_of(std::string model) {
  std::ranges::transform(model, model.begin(),
                         [](unsigned char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c); });
  constexpr std::array<std::pair<std::string_view, std::string_view>, 19> kVendors{{{"nvidia", "NVIDIA"},
                                                                                    {"tesla", "NVIDIA"},
                                                                                    {"a100", "NVIDIA"},
                                                                                    {"a30", "NVIDIA"},
                                                                                    {"a40", "NVIDIA"},
                                                                                    {"h100", "NVIDIA"},
                                                                                    {"h200", "NVIDIA"},
                                                                                    {"gh200", "NVIDIA"},
                                                                                    {"b200", "NVIDIA"},
                                                                                    {"gb200", "NVIDIA"},
                                                                                    {"v100", "NVIDIA"},
                                                                                    {"p100", "NVIDIA"},
                                                                                    {"l40", "NVIDIA"},
                                                                                    {"rtx", "NVIDIA"},
                                                                                    {"amd", "AMD"},
                                                                                    {"mi", "AMD"},
                                                                                    {"gfx9", "AMD"},
                                                                                    {"pvc", "Intel"},
                                                                                    {"max1", "Intel"}}};
  for (const auto& [begins, vendor] : kVendors) {
    if (model.starts_with(begins)) return vendor;
  }
  return "";
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < units.size(); ++unit) amount /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
  return text.data();
}

Finding judge_clock(Seconds ahead, Seconds tolerated) {
  const auto off = ahead < Seconds{0} ? -ahead : ahead;
  Finding found = finding("CLOCK", ok,
                          off <= kUnnoticed ? "as ours, to a few seconds"
                                            : format_duration(off) + (ahead < Seconds{0} ? " behind ours" : " ahead of ours"));
  if (off <= kUnnoticed) return found;
  found.reading = true;  // a clock that drifts is another second each time
  found.verdict = off > tolerated ? fault : warning;
  found.bars = found.verdict == fault;  // what is ours is told by when it was submitted
  found.remedy = "keep the clocks of the site and of this host by NTP; engine.clock_skew_s tolerates " +
                 std::to_string(tolerated.count()) + " s";
  return found;
}

Finding judge_time_zone(Seconds off) {
  if (off == Seconds{0}) return finding("TIME_ZONE", ok, "the commands write UTC, as they are asked to");
  const auto size = off < Seconds{0} ? -off : off;
  return finding("TIME_ZONE", fault,
                 "the commands write times " + format_duration(size) + (off < Seconds{0} ? " behind UTC" : " ahead of UTC") +
                     ", though asked for UTC",
                 "let nothing between the broker and the commands set TZ or take it away (a wrapper in bin_dir, the switch's "
                 "environment list)");
}

Finding judge_job_ids(std::int64_t first, std::int64_t last) {
  auto found = finding("JOB_IDS", ok, std::to_string(first) + " to " + std::to_string(last) + ", then from the beginning again");
  if (last - first >= kFewIds) return found;
  found.verdict = warning;
  found.remedy =
      "raise the last id: so few come round soon, and the site's accounting tells jobs of one id apart by their times only";
  return found;
}

Finding judge_fence(bool created, bool second_created, const std::string& holder, const std::string& wanted_holder) {
  if (created && !second_created && holder == wanted_holder)
    return finding("FENCE", ok, "of two links under one name the second is refused");
  auto found =
      finding("FENCE", fault,
              !created         ? "the link could not be made anew"
              : second_created ? "two links could be made under one name"
                               : "the link tells another holder than made it",
              "put work_dir on a file system where symlink(2) is atomic for all nodes: on this one a job could run twice");
  found.bars = true;
  return found;
}

Finding judge_room(const DiskRoom& room) {
  auto found =
      finding("ROOM", ok,
              bytes_text(room.bytes_free) + " of " + bytes_text(room.bytes) + " free" +
                  (room.files == 0 ? std::string()
                                   : ", " + std::to_string(room.files_free) + " of " + std::to_string(room.files) + " files"));
  found.reading = true;
  const bool no_bytes = room.bytes_free == 0, no_files = room.files > 0 && room.files_free == 0;
  found.bars = no_bytes || no_files;
  if (found.bars)
    found.verdict = fault;
  else if (room.bytes_free < kLittleRoom || (room.files > 0 && room.files_free < kFewFiles))
    found.verdict = warning;
  if (found.verdict != ok)
    found.remedy = "make space on the file system of work_dir: fences, scripts and output of jobs lie there";
  return found;
}

Finding judge_cpu_limit(std::optional<Seconds> limit) {
  if (!limit) return finding("CPU_LIMIT", ok, "none");
  auto found = finding("CPU_LIMIT", ok, std::to_string(limit->count()) + " s of CPU for each process");
  if (*limit >= kShortCpu) return found;
  found.verdict = warning;
  found.remedy = "raise the account's limit of CPU time (limits.conf): the site's commands may be ended before they answer";
  return found;
}

Finding judge_containers(const std::vector<std::string>& runtimes, bool is_node) {
  const auto offers = [](Finding found, bool lacks) {
    found.offers = kContainerRuntime;
    found.lacks = lacks;
    return found;
  };
  if (runtimes.empty() && is_node) return offers(finding("CONTAINERS", ok, "no apptainer or singularity here"), true);
  if (runtimes.empty())
    return finding("CONTAINERS", not_checked, "no apptainer or singularity on the host where the site's commands run",
                   "the nodes may have one, as a module for example: ask the site");
  std::string all;
  for (const auto& runtime : runtimes) all += (all.empty() ? "" : ", ") + runtime;
  return offers(finding("CONTAINERS", ok, all), false);
}

Finding judge_gpus(const std::vector<std::pair<std::string, std::int64_t>>& models) {
  if (models.empty()) return finding("GPUS", ok, "none");
  std::string all;
  bool told = true;
  for (const auto& [model, count] : models) {
    const auto vendor = vendor_of(model);
    told = told && !vendor.empty();
    all += (all.empty() ? "" : ", ") + std::to_string(count) + " " + (model.empty() ? "of no told model" : model) +
           (vendor.empty() ? "" : " (" + std::string(vendor) + ")");
  }
  if (told) return finding("GPUS", ok, all);
  return finding("GPUS", warning, all,
                 "name the models as their makers do (Gres=gpu:a100:4): who asks for one by its name finds no other");
}

std::vector<Finding> told_of_network(const std::vector<std::string>& outbound) {
  if (outbound.empty()) {
    return {
        finding("NETWORK", not_checked, "whether nodes reach the outside, and which",
                "only a job on a node of each kind can tell: ask the site, and name its queues that do (site.profile.outbound)")};
  }
  std::vector<Finding> all;
  for (const auto& queue : outbound) {
    const bool every = queue == "*";
    auto& found = all.emplace_back(finding(
        "NETWORK", ok, (every ? std::string("all nodes reach") : "the nodes of queue \"" + queue + "\" reach") + " the outside"));
    found.offers = kOutboundNetwork;
    if (!every) found.queue = QueueName(queue);
  }
  return all;
}

Finding judge_network(bool default_route) {
  auto found = finding("NETWORK", ok, default_route ? "there is a default route" : "no default route");
  found.offers = kOutboundNetwork;
  found.lacks = !default_route;
  return found;
}

}  // namespace hansa::domain
