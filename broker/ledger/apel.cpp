// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/apel.hpp"

#include <algorithm>

namespace hansa::ledger {
namespace {

constexpr std::string_view kHeaders[] = {"APEL-individual-job-message: v0.3\n", "APEL-summary-job-message: v0.2\n",
                                         "APEL-sync-message: v0.1\n"};  // by ApelKind's values
constexpr std::string_view kEnd = "%%\n";
// Columns of apel's server.sql.
constexpr std::size_t kLongestName = 255, kLongestQueue = 100;

/// A field; one without a value is left out, as the format says.
void put(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  out += key;
  out += ": ";
  out += value;
  out += '\n';
}
void put(std::string& out, std::string_view key, std::int64_t value) { put(out, key, std::to_string(value)); }

bool is_nothing(std::string_view text) {
  const auto is = [&](std::string_view word) {
    return std::ranges::equal(text, word, {}, [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  };
  return is("none") || is("null");
}

}  // namespace

std::string apel_value(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string value;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool at_an_end = i == 0 || i + 1 == text.size();
    if (byte > 0x7e || byte < ' ' || byte == '%' || (byte == ' ' && at_an_end) || (i == 0 && is_nothing(text))) {
      value += '%';
      value += kHex[byte >> 4U];
      value += kHex[byte & 0xfU];
    } else {
      value += text[i];
    }
  }
  return value;
}

ApelWriter::ApelWriter(Options options, Sink sink) : options_(options), sink_(std::move(sink)) {}

Result<std::string_view> ApelWriter::take(const ExchangeRun& run, const ApelSite& site) {
  if (const auto fault = fault_of(run); !fault.empty()) return fault;
  const auto job_id = job_id_of(run, site);
  if (job_id.empty()) return "SAME_KEY";
  switch (options_.kind) {
    case ApelKind::individual: {
      message_.runs.emplace_back(run.seq, run.leaf);
      if (auto added = add(individual(run, site, job_id)); !added) return std::unexpected(std::move(added.error()));
      break;
    }
    case ApelKind::summary: {
      auto& sum = sums_.try_emplace(summary_head(run, site), Sum{.earliest_s = run.ended_s}).first->second;
      sum.latest_s = run.ended_s;
      if (auto added = add_amounts(sum.amounts, run.amounts); !added) return std::unexpected(std::move(added.error()));
      break;
    }
    case ApelKind::sync: ++counts_[{site.name, site.submit_host}]; break;
  }
  return "";
}

Result<void> ApelWriter::finish(std::span<const ApelSite> sites) {
  for (const auto& [head, sum] : sums_) {
    auto record = head;
    put(record, "EarliestEndTime", sum.earliest_s);
    put(record, "LatestEndTime", sum.latest_s);
    put(record, "WallDuration", sum.amounts.elapsed_s);
    put(record, "CpuDuration", sum.amounts.core_seconds);
    put(record, "NumberOfJobs", sum.amounts.runs);
    if (auto added = add(record); !added) return added;
  }
  if (options_.kind == ApelKind::sync) {
    for (const auto& site : sites) counts_.try_emplace({site.name, site.submit_host}, 0);
    for (const auto& [of, jobs] : counts_) {
      std::string record;
      put(record, "Site", apel_value(of.first));
      put(record, "SubmitHost", apel_value(of.second));
      put(record, "NumberOfJobs", jobs);
      put(record, "Month", options_.month.month);
      put(record, "Year", options_.month.year);
      if (auto added = add(record); !added) return added;
    }
  }
  return message_.records == 0 ? Result<void>{} : send();
}

std::string_view ApelWriter::fault_of(const ExchangeRun& run) const {
  if (!run.started_s) return "NEVER_STARTED";
  if (run.ended_s < *run.started_s) return "ENDS_BEFORE_START";
  if (run.ended_s > to_unix_seconds(options_.now + std::chrono::days{1})) return "ENDS_IN_THE_FUTURE";
  if (run.amounts.elapsed_s < 0 || run.amounts.core_seconds < 0) return "NEGATIVE_AMOUNT";
  for (const auto* name : {&run.cluster, &run.site_job_id, &run.project, &run.owner, &run.account}) {
    if (apel_value(*name).size() > kLongestName) return "TEXT_TOO_LONG";
  }
  return apel_value(run.queue).size() > kLongestQueue ? "TEXT_TOO_LONG" : "";
}

std::string ApelWriter::job_id_of(const ExchangeRun& run, const ApelSite& site) {
  if (run.ended_s != ended_s_) same_end_.clear();
  ended_s_ = run.ended_s;
  // Runs of one job that end in one second, and jobs of two clusters of one site, are told apart by what else they are known by.
  for (const auto& id : {run.site_job_id, run.site_job_id + "#" + std::to_string(*run.started_s),
                         run.site_job_id + "#" + std::to_string(*run.started_s) + "#" + run.cluster}) {
    auto value = apel_value(id);
    if (!value.empty() && value.size() <= kLongestName && same_end_.insert(site.name + "\n" + value).second) return value;
  }
  return {};
}

void ApelWriter::put_person(std::string& out, const ExchangeRun& run) const {
  if (options_.persons == Persons::pseudonyms) put(out, "GlobalUserName", apel_value(run.pseudonym));
  if (options_.persons == Persons::named) put(out, "GlobalUserName", apel_value(run.owner));
}

std::string ApelWriter::individual(const ExchangeRun& run, const ApelSite& site, std::string_view job_id) const {
  std::string out;
  put(out, "Site", apel_value(site.name));
  put(out, "SubmitHost", apel_value(site.submit_host));
  if (!site.is_grid) put(out, "SubmitHostType", "LRMS");
  put(out, "MachineName", apel_value(run.cluster));
  put(out, "Queue", apel_value(run.queue));
  put(out, "LocalJobId", job_id);
  if (options_.persons == Persons::named) put(out, "LocalUserId", apel_value(run.account));
  put_person(out, run);
  put(out, "VO", apel_value(run.project));
  put(out, "WallDuration", run.amounts.elapsed_s);
  put(out, "CpuDuration", run.amounts.core_seconds);
  put(out, "Processors", run.cores);
  put(out, "NodeCount", run.nodes);
  put(out, "StartTime", *run.started_s);
  put(out, "EndTime", run.ended_s);
  put(out, "InfrastructureDescription", apel_value(site.description));
  put(out, "InfrastructureType", site.is_grid ? "grid" : "local");
  put(out, "ServiceLevelType", apel_value(site.service_level_type));
  put(out, "ServiceLevel", site.service_level);
  return out;
}

std::string ApelWriter::summary_head(const ExchangeRun& run, const ApelSite& site) const {
  std::string out;
  put(out, "Site", apel_value(site.name));
  put(out, "Month", options_.month.month);
  put(out, "Year", options_.month.year);
  put_person(out, run);
  put(out, "VO", apel_value(run.project));
  put(out, "SubmitHost", apel_value(site.submit_host));
  put(out, "InfrastructureType", site.is_grid ? "grid" : "local");
  put(out, "ServiceLevelType", apel_value(site.service_level_type));
  put(out, "ServiceLevel", site.service_level);
  put(out, "NodeCount", run.nodes);
  put(out, "Processors", run.cores);
  return out;
}

Result<void> ApelWriter::add(std::string_view record) {
  if (message_.text.empty()) message_.text = kHeaders[static_cast<std::size_t>(options_.kind)];
  message_.text += record;
  message_.text += kEnd;
  return ++message_.records == kApelRecords ? send() : Result<void>{};
}

Result<void> ApelWriter::send() {
  auto sent = sink_(message_);
  message_ = {};
  return sent;
}

}  // namespace hansa::ledger
