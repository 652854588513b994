// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a job goes and why: one verdict for every site, stored with the job and shown by `hansa explain`.

#include "broker/core/canonical_json.hpp"
#include "broker/domain/dataset.hpp"
#include "broker/domain/job.hpp"

#include <map>

namespace hansa::domain {

/// Whether a refusal can change by itself.
enum class Obstacle {
  none,       // the site can take it
  temporary,  // down, stale, drained, full budget, too many nodes down
  permanent,  // too small, no such GPU, wall time over every queue's limit, no account for this person
};

/// What the rules said of the job at a site: which of them, and what goes with it.
struct RuleVerdict {
  std::string code;                     // "PERMITTED", "NO_PERMIT", "FORBIDDEN", "EVIDENCE_MISSING"
  std::vector<std::string> rules;       // that applied, or that evidence was lacking for
  std::vector<std::string> obligations;
  friend bool operator==(const RuleVerdict&, const RuleVerdict&) = default;
};

struct StageSource {
  DatasetId dataset;
  SiteId site;
  friend bool operator==(const StageSource&, const StageSource&) = default;
};

/// What a job reads and is not at a site yet.
struct StageIn {
  Seconds time{0};                      // until it can be there
  Bytes bytes{0};                       // still to come
  bool under_way = false;               // all of it
  std::vector<StageSource> from;        // one for each dataset that is missing
  friend bool operator==(const StageIn&, const StageIn&) = default;
};

/// What a predicted wait rests on, the best first.
enum class Basis {
  queue,      // the site's whole queue, played forward
  room,       // other people's jobs are hidden, the room that they take is not: there is room now
  scheduler,  // the site's scheduler, on jobs of ours that wait there
  history,    // how long ours have waited there
  none,       // nothing: no estimate
};

/// Whose past waits at a site speak for a job: those of its size and project, of its size, of everybody of ours.
enum class Likeness { project, size, site };

/// How long jobs waited, measured against what had been predicted: quantiles of (actual + 1 min) / (predicted + 1 min), in
/// millionths. Where nothing is predicted (Basis::history) the prediction counts as 0.
struct Correction {
  Likeness likeness = Likeness::site;
  std::int32_t count = 0;               // of past waits
  std::int64_t p50_ppm = 0;
  std::int64_t p90_ppm = 0;
  friend bool operator==(const Correction&, const Correction&) = default;
};

struct Verdict {
  SiteId site;
  Obstacle obstacle = Obstacle::none;
  std::string code;                     // "OK", "SITE_DOWN", "TOO_FEW_CORES", ...
  std::string message;                  // what was needed, what was seen
  std::string source;                   // where the value comes from: "snapshot", "configuration", "rules", "site state"
  std::optional<Seconds> age;           // of that value
  QueueName queue;                      // the queue the estimate is for
  std::string variant;                  // of the job's, which counts there; "": it has none
  std::optional<Basis> basis;           // of the wait; none where the site cannot take the job
  std::optional<Seconds> predicted;     // by queue, room or scheduler, before it is corrected
  std::optional<Correction> correction;
  std::optional<Seconds> wait;          // from now, half of such jobs have started by then (p50); none: no estimate
  std::optional<Seconds> wait_p90;      // nine in ten have; none: too few past waits to say
  std::optional<StageIn> stage_in;      // none: the job would find its data there. It starts when both times have passed
  std::string method;                   // "queue played forward (EASY)" | ...
  std::string snapshot_hash;            // SHA-256 of the reduced snapshot that it was computed from
  std::optional<RuleVerdict> rules;     // none: no rule was in force, or something else was in the way first
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

/// What is seen of the site has room for the job now.
inline bool starts_at_once(const Verdict& verdict) {
  return verdict.predicted == Seconds{0} && (verdict.basis == Basis::queue || verdict.basis == Basis::room);
}

/// What became of an estimate: how long an attempt waited from its decision to its first start.
struct WaitScore {
  std::int32_t attempt = 1;
  SiteId site;
  ProjectId project;
  std::string size_class;
  Basis basis = Basis::none;
  std::optional<Seconds> predicted;     // as in the verdict
  std::optional<Seconds> p50;
  std::optional<Seconds> p90;
  Seconds actual{0};
  UtcTime started_at{};                 // by the site's accounting
  friend bool operator==(const WaitScore&, const WaitScore&) = default;
};

/// Canonical JSON under its SHA-256 (hex): equal ones are one.
using Documents = std::map<std::string, std::string>;

struct Decision {
  UtcTime at{};
  std::optional<SiteId> chosen;
  QueueName queue;
  std::vector<Verdict> verdicts;        // by site id
  Reason reason;                        // why nothing was chosen, or why this one
  std::string policy_hash;  // of the rule packs that were asked; "": none was in force
  std::string input_hash;  // of the document that it was taken from, with the job's own specification; "": not kept
  friend bool operator==(const Decision&, const Decision&) = default;
};

std::string_view to_string(Obstacle obstacle);
std::string_view to_string(Basis basis);
std::string_view to_string(Likeness likeness);
std::optional<Basis> parse_basis(std::string_view text);
Json to_json(const Correction& correction);
Result<Correction> correction_from_json(const Json& json);
Json to_json(const Decision& decision);
Result<Decision> decision_from_json(const Json& json);

}  // namespace hansa::domain
