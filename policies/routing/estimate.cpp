// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/estimate.hpp"

#include "broker/domain/json_fields.hpp"
#include "policies/routing/fleet.hpp"

#include <algorithm>

namespace hansa::routing {
namespace {

using domain::Basis;
using domain::Correction;
using domain::Likeness;

constexpr std::int64_t kOne = 1'000'000;
// So that times_factor cannot overflow: (366 days + 1 min) * (30 days + 1 min) / (1 min) in millionths is below 2^61.
constexpr std::int64_t kLongestWait = 30LL * 86400;

constexpr std::array kSizeNames = {std::string_view("small"), std::string_view("medium"), std::string_view("large"),
                                   std::string_view("gpu-small"), std::string_view("gpu-large")};
static_assert(kSizeNames.size() == kSizeClasses);
constexpr std::array kMeasureNames = {"at_once", "later", "scheduler", "wait"};
static_assert(kMeasureNames.size() == kMeasures);

Measure measure_of(Seconds played) { return played <= kResolution ? Measure::at_once : Measure::later; }

const std::optional<Correction>& correction_for(const Outlook& outlook, Measure measure) {
  return outlook.corrections[static_cast<std::size_t>(measure)];
}

/// The k-th smallest, k = ceil((n + 1) * percent / 100), the largest at most.
std::int64_t quantile(const std::vector<std::int64_t>& sorted, std::size_t percent) {
  const auto k = ((sorted.size() + 1) * percent + 99) / 100;
  return sorted[std::min(k, sorted.size()) - 1];
}

}  // namespace

SizeClass size_class(const domain::Resources& resources) {
  const auto nodes = std::int64_t{std::max(resources.nodes, 1)};
  if (const auto gpus = nodes * resources.gpus_per_node; gpus > 0) return gpus <= 4 ? SizeClass::gpu_small : SizeClass::gpu_large;
  const auto cores = std::int64_t{std::max(resources.tasks, resources.nodes)} * resources.cpus_per_task;
  return cores <= 16 ? SizeClass::small : cores <= 256 ? SizeClass::medium : SizeClass::large;
}

std::string_view to_string(SizeClass size) { return kSizeNames[static_cast<std::size_t>(size)]; }

std::optional<SizeClass> parse_size_class(std::string_view text) {
  const auto at = std::ranges::find(kSizeNames, text);
  if (at == kSizeNames.end()) return std::nullopt;
  return static_cast<SizeClass>(at - kSizeNames.begin());
}

std::int64_t factor_ppm(Seconds predicted, Seconds actual) {
  const auto was = std::clamp<std::int64_t>(predicted.count(), 0, kHorizon);
  const auto is = std::clamp<std::int64_t>(actual.count(), 0, kLongestWait);
  const auto minute = kResolution.count();
  if (was - is <= minute && is - was <= minute) return kOne;
  return (is + minute) * kOne / (was + minute);
}

Seconds times_factor(Seconds predicted, std::int64_t ppm) {
  const auto minute = kResolution.count();
  const auto base = std::clamp<std::int64_t>(predicted.count(), 0, kHorizon) + minute;
  const auto most = (kLongestWait + minute) * kOne / minute;
  const auto wait = (base * std::clamp<std::int64_t>(ppm, 0, most) + kOne / 2) / kOne - minute;
  return Seconds{std::clamp<std::int64_t>(wait, 0, kHorizon)};
}

void FactorWindow::add(std::int64_t ppm) {
  if (recent_.size() < kMost) {
    recent_.push_back(ppm);
  } else {
    sorted_.erase(std::ranges::lower_bound(sorted_, recent_[oldest_]));
    recent_[oldest_] = ppm;
    oldest_ = (oldest_ + 1) % kMost;
  }
  sorted_.insert(std::ranges::upper_bound(sorted_, ppm), ppm);
}

std::optional<Correction> FactorWindow::correction(Likeness likeness) const {
  if (sorted_.size() < kFewest) return std::nullopt;
  return Correction{.likeness = likeness,
                    .count = static_cast<std::int32_t>(sorted_.size()),
                    .p50_ppm = quantile(sorted_, 50),
                    .p90_ppm = quantile(sorted_, 90)};
}

void WaitHistory::add(const domain::WaitScore& score) {
  const auto size = parse_size_class(score.size_class);
  if (!size) return;  // of a release that drew the classes elsewhere
  std::optional<std::pair<Measure, std::int64_t>> measured;
  if (score.predicted) {
    const auto measure = score.basis == Basis::scheduler ? Measure::scheduler : measure_of(*score.predicted);
    measured = std::pair(measure, factor_ppm(*score.predicted, score.actual));
  }
  const auto wait = factor_ppm(Seconds{0}, score.actual);
  for (auto* windows : {&site_, &sizes_[static_cast<std::size_t>(*size)], &projects_[{score.project, *size}]}) {
    if (measured) windows->add(measured->first, measured->second);
    windows->add(Measure::wait, wait);
  }
}

Outlook WaitHistory::outlook(const domain::JobSpec& spec, bool sees_everyone) const {
  const auto size = size_class(spec.resources);
  const auto project = projects_.find({spec.project, size});
  const auto best = [&](Measure measure) {
    const auto i = static_cast<std::size_t>(measure);
    std::optional<Correction> found;
    if (project != projects_.end()) found = project->second.of[i].correction(Likeness::project);
    if (!found) found = sizes_[static_cast<std::size_t>(size)].of[i].correction(Likeness::size);
    if (!found) found = site_.of[i].correction(Likeness::site);
    return found;
  };
  Outlook outlook;
  using Measures = std::initializer_list<Measure>;
  const auto needed =
      sees_everyone ? Measures{Measure::at_once, Measure::later} : Measures{Measure::at_once, Measure::scheduler, Measure::wait};
  for (const auto measure : needed) outlook.corrections[static_cast<std::size_t>(measure)] = best(measure);
  return outlook;
}

Estimate estimate(Seconds played, bool sees_everyone, const Outlook& outlook) {
  const auto corrected = [](Basis basis, std::optional<Seconds> predicted, const std::optional<Correction>& correction) {
    Estimate found{.basis = basis, .predicted = predicted, .correction = correction, .p50 = predicted, .p90 = {}};
    if (correction) {
      found.p50 = times_factor(predicted.value_or(Seconds{0}), correction->p50_ppm);
      found.p90 = times_factor(predicted.value_or(Seconds{0}), correction->p90_ppm);
    }
    return found;
  };
  if (sees_everyone) return corrected(Basis::queue, played, correction_for(outlook, measure_of(played)));
  if (played == Seconds{0} && !outlook.ours_first)
    return corrected(Basis::room, played, correction_for(outlook, Measure::at_once));
  if (outlook.scheduler_says)
    return corrected(Basis::scheduler, outlook.scheduler_says, correction_for(outlook, Measure::scheduler));
  if (const auto& wait = correction_for(outlook, Measure::wait)) return corrected(Basis::history, std::nullopt, wait);
  return {};
}

Json to_json(const Outlook& outlook) {
  Json json = Json::object();
  for (std::size_t i = 0; i < kMeasures; ++i) {
    if (const auto& correction = outlook.corrections[i]) json[kMeasureNames[i]] = domain::to_json(*correction);
  }
  if (outlook.scheduler_says) json["scheduler_says_s"] = outlook.scheduler_says->count();
  if (outlook.ours_first) json["ours_first"] = true;
  return json;
}

Result<Outlook> outlook_from_json(const Json& json) {
  domain::FieldReader field(json);
  Outlook outlook;
  outlook.scheduler_says = field.optional_seconds("scheduler_says_s");
  outlook.ours_first = field.flag("ours_first");
  if (!field.ok()) return field.error("decision input");
  for (std::size_t i = 0; i < kMeasures; ++i) {
    if (!json.contains(kMeasureNames[i])) continue;
    auto correction = domain::correction_from_json(json[kMeasureNames[i]]);
    if (!correction) return std::unexpected(correction.error());
    outlook.corrections[i] = *correction;
  }
  return outlook;
}

}  // namespace hansa::routing
