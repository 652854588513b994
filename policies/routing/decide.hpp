// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a job goes: filter -> estimate -> rank -> choose, with one verdict for every site. Pure and deterministic: the same
// input gives the same decision, whatever the order of the sites; integers only, no clock, no randomness.
//
// A site is refused by the first of these that holds, so that what can never change is said before what can:
//   permanent  NOT_REQUESTED, NO_ACCOUNT (or the code the account map gives); then, if no queue could ever hold the job
//              even with all nodes usable: NO_VARIANT_MATCHES, IMAGE_NOT_ALLOWED, BIND_NOT_ALLOWED,
//              NO_SUCH_MODULE (terms.hpp; the first is temporary where nobody says what the nodes are), TIME_LIMIT_TOO_LONG,
//              NODE_COUNT_NOT_ALLOWED, NO_SUCH_GPU, TOO_FEW_GPUS, TOO_FEW_CORES, TOO_LITTLE_MEMORY, TOO_FEW_NODES (of the queue
//              that came nearest)
//   temporary  NO_ALLOCATION (the project is none of the site's), NOT_GRANTED, ALLOCATION_SPENT, NO_CHARGE_RULE (what a project
//   may spend there, domain/allocation.hpp), CREDENTIAL_NOT_CONNECTED (the person's login), RULES_DENY, EVIDENCE_MISSING (the
//   rules; not for ever: packs, labels and what is known of a site change), the
//              caller's no_data or no_way, RULES_DENY or EVIDENCE_MISSING (of bringing a dataset there, or of taking it from
//              every site that has it), OBLIGATION (keeps it there), what failed lately on every way, SITE_DRAINED, SITE_UNFIT (a
//              finding about it, or about the person's account there, that bars), SITE_DOWN,
//              NO_SNAPSHOT, SNAPSHOT_STALE, BUDGET_FULL, the caller's not_now; then, for every queue
//   that could hold it:
//              NO_CONTAINER_RUNTIME, NO_OUTBOUND_NETWORK (found missing, or told by nobody), QUEUE_DOWN, TOO_FEW_NODES (usable
//              ones)
// A site that the job asks for and the broker does not have (any more) is told as SITE_UNKNOWN, temporary.
// Otherwise the verdict is OK, with the queue of the earliest start when all are played forward, and the wait that estimate.hpp
// makes of it: a range, corrected by how past ones turned out. The smallest p50 in seconds wins, a site without an estimate is
// last; ties go by site id, and within a site to the default queue, then by name. Where data are missing, it is the time until
// they are there if that is later: each dataset by its fastest way that the rules allow, one after the other from the same site.
// Of the sites that data have to be brought to, those that they are on their way to go first: what has been begun is finished.

#include "broker/domain/decision.hpp"
#include "broker/domain/site.hpp"
#include "policies/routing/estimate.hpp"
#include "policies/routing/profile.hpp"
#include "policies/routing/ruling.hpp"

namespace hansa::routing {

/// How a dataset can come to a site.
struct Way {
  SiteId from;
  domain::Bytes per_second{1};  // measured, or expected
  const rules::Explanation* ruling = nullptr;  // may it be taken from there; none: nobody asked
  std::optional<domain::Reason> kept = std::nullopt;  // an obligation of `ruling` keeps it there
  std::optional<domain::Reason> not_now = std::nullopt;  // it failed lately
};

struct MissingDataset {
  std::size_t number = 0;  // of JobSpec::datasets
  domain::Bytes bytes{0};  // still to come
  bool under_way = false;  // by its one way
  const rules::Explanation* ruling = nullptr;  // may it come here; none: nobody asked
  std::vector<Way> ways;  // at least one
};

/// What a job does not find at a site.
struct MissingData {
  std::vector<MissingDataset> datasets;
  std::optional<domain::Reason> no_way;  // nothing can be brought there, or not so much
};

/// A finding of a look at the site (domain/doctor_report.hpp) that keeps this person's jobs away.
struct Found {
  std::string what;  // "CLOCK: 2m ahead of ours"
  UtcTime at{};
};

/// One site as the engine sees it. Pointers are borrowed for the call.
struct SiteView {
  const domain::Site* site = nullptr;
  const domain::SiteState* state = nullptr;
  const AvailabilityProfile* profile = nullptr;  // none: no snapshot since the broker started
  std::int32_t our_waiting = 0;  // jobs of ours in its queue, over all people
  std::optional<domain::Reason> no_account;  // why this person cannot run there; an empty code reads NO_ACCOUNT
  const rules::Evidence* facts = nullptr;  // of the place, for the rules
  const rules::Explanation* ruling = nullptr;  // what ruling() says from `facts`; none: no rule is in force, or nothing to ask
  std::optional<domain::Reason> no_data;  // what the job reads is not known, or no rule pack is in force
  MissingData missing;  // what the job reads and would have to be brought
  std::optional<Found> found;  // none: nothing bars
  std::vector<domain::Offer> offers = {};  // what was found there of what jobs may need; only of a job that does (terms.hpp)
  std::optional<domain::Reason> not_now;  // a temporary obstacle that only the caller knows: it refused this job lately, ...
  Outlook outlook = {};  // how estimates for such a job have turned out there
  Seconds freshness{180};  // an older snapshot says nothing about now
};

struct DecisionInput {
  domain::JobSpec spec;
  UtcTime now{};
  std::optional<RuledJob> ruled;  // none: no rule is in force
  std::vector<SiteView> sites;  // every configured site, in any order
};

domain::Decision decide(const DecisionInput& input);

/// What becomes of the job.
enum class Placing {
  placed,  // at decision.chosen
  staging,  // it will be there once its data are
  held,  // some site may take it later, or there is no site yet
  rejected  // every obstacle is permanent
};
Placing placing(const domain::Decision& decision);

/// A code of SiteView::no_account that does not hold for ever: its project has none at a site that wants one.
inline constexpr std::string_view kNoAllocation = "NO_ALLOCATION";

/// Codes of Decision::reason, beside kRulesDeny: by the rules, every site.
inline constexpr std::string_view kEarliestStart = "EARLIEST_START";
inline constexpr std::string_view kNoSiteNow = "NO_SITE_NOW";
/// The person's login at the site is not good, or not for long enough (CREDENTIAL_MISSING, CREDENTIAL_ENDS_TOO_EARLY, ...):
/// theirs to mend.
inline bool is_about_credential(std::string_view code) { return code.starts_with("CREDENTIAL_"); }
inline constexpr std::string_view kNoSiteEver = "NO_SITE_EVER";

}  // namespace hansa::routing
