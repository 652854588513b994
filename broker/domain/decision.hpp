// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a job goes and why: one verdict for every site, stored with the job and shown by `hansa explain`.

#include "broker/core/canonical_json.hpp"
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

struct Verdict {
  SiteId site;
  Obstacle obstacle = Obstacle::none;
  std::string code;                     // "OK", "SITE_DOWN", "TOO_FEW_CORES", ...
  std::string message;                  // what was needed, what was seen
  std::string source;                   // where the value comes from: "snapshot", "configuration", "rules", "site state"
  std::optional<Seconds> age;           // of that value
  QueueName queue;                      // the queue the estimate is for
  std::optional<Seconds> wait;          // predicted wait from now
  std::string method;                   // "queue played forward (EASY)" | ...
  std::string snapshot_hash;            // SHA-256 of the reduced snapshot that it was computed from
  std::optional<RuleVerdict> rules;     // none: no rule was in force, or something else was in the way first
  friend bool operator==(const Verdict&, const Verdict&) = default;
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
Json to_json(const Decision& decision);
Result<Decision> decision_from_json(const Json& json);

}  // namespace hansa::domain
