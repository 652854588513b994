// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/accounting.hpp"

#include "broker/core/time_text.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <utility>

namespace hansa::connectors::pbs {

namespace {

using batch::cut;

constexpr std::size_t kMaxLine = 8'192;  // of a record's source line; an account may be long

/// "11/22/2026 09:07:13"
bool is_time(std::string_view text) {
  constexpr std::string_view kForm = "00/00/0000 00:00:00";
  return text.size() == kForm.size() &&
         std::ranges::equal(text, kForm, [](char c, char form) { return form == '0' ? c >= '0' && c <= '9' : c == form; });
}

/// As qstat calls it; "" of what is not needed.
std::string_view qstat_name_of(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kNames{
      {{"user", "Job_Owner"},
       {"jobname", "Job_Name"},
       {"queue", "queue"},
       {"ctime", "ctime"},
       {"start", "stime"},
       {"end", "obittime"},
       {"Exit_status", "Exit_status"},
       {"exec_vnode", "exec_vnode"},
       {"resources_used.walltime", "resources_used.walltime"},
       {"run_count", "run_count"}}};
  const auto known = std::ranges::find(kNames, name, [](const auto& each) { return each.first; });
  return known == kNames.end() ? std::string_view() : known->second;
}

std::expected<JobRow, std::string> read_rerun(std::string_view id, std::string_view fields, const GpuNames& gpus) {
  Record record{.id = id, .fields = {{"job_state", "R"}}};
  while (!fields.empty()) {
    const auto field = cut(fields, ' ');
    const auto equals = std::min(field.find('='), field.size());
    const auto name = qstat_name_of(field.substr(0, equals));
    if (name.empty()) continue;  // or a part of a value with a blank in it
    if (record.has(name)) return std::unexpected("it tells \"" + std::string(field.substr(0, equals)) + "\" twice");
    record.fields.emplace_back(name, field.substr(std::min(equals + 1, field.size())));
  }
  auto row = read_job(record, gpus);
  if (row && (!row->started_at || !record.has("obittime") || row->starts < 1)) return std::unexpected("it tells no run");
  if (row) row->state = "rerun";
  return row;
}

}  // namespace

Listing<JobRow> parse_reruns(std::string_view text, const GpuNames& gpus) {
  Listing<JobRow> listing;
  for (std::size_t row = 1; !text.empty(); ++row) {
    if (!text.contains('\n')) listing.complete = false;  // it was cut here
    const auto line = cut(text, '\n');
    auto rest = line;
    const auto time = cut(rest, ';');
    const auto kind = cut(rest, ';');
    const auto id = cut(rest, ';');
    if (!listing.complete || !is_time(time) || kind != "R" || !is_job_id(id)) continue;
    auto read = read_rerun(id, rest, gpus);
    if (read) {
      read->line = line.substr(0, kMaxLine);
      listing.rows.push_back(std::move(*read));
    } else {
      listing.dropped.push_back({row, std::move(read.error())});
    }
  }
  return listing;
}

std::vector<JobRow> runs_before(const JobRow& job, std::span<const JobRow> reruns) {
  std::map<std::int64_t, const JobRow*> runs;  // null: told twice
  for (const auto& each : reruns) {
    if (each.id != job.id || each.name != job.name || each.user != job.user || each.submitted_at != job.submitted_at) continue;
    if (each.starts >= job.starts || *each.started_at < job.submitted_at || each.ended_at < each.started_at) continue;
    if (job.started_at && *each.ended_at > *job.started_at) continue;
    const auto [at, first] = runs.try_emplace(each.starts, &each);
    if (!first) at->second = nullptr;
  }
  std::vector<JobRow> found;
  for (const auto& [number, run] : runs) {
    if (run == nullptr) continue;
    found.push_back(*run);
    found.back().server = job.server;
    found.back().account = job.account;
    found.back().array_id = job.array_id;
  }
  return found;
}

std::vector<std::string> log_files(std::span<const JobRow> jobs) {
  std::vector<std::string> files;
  if (jobs.empty()) return files;
  UtcTime first = UtcTime::max(), last{};
  for (const auto& job : jobs) {
    first = std::min(first, job.submitted_at);
    last = std::max(last, job.ended_at.value_or(job.submitted_at));
  }
  constexpr std::chrono::days kDay{1};
  const auto begin = std::chrono::floor<std::chrono::days>(first) - kDay;
  for (auto day = std::chrono::floor<std::chrono::days>(last) + kDay; day >= begin && files.size() < kMostDays; day -= kDay) {
    auto digits = format_utc(UtcTime(day)).substr(0, 10);  // 2026-11-22
    std::erase(digits, '-');
    files.push_back(std::move(digits));
  }
  return files;
}

}  // namespace hansa::connectors::pbs
