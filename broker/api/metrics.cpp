// SPDX-License-Identifier: Apache-2.0
// /metrics: what the engine, its sites, the ledger, the allocations and break-glass are like. docs/metrics.md lists every family.
#include "broker/api/answers.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <map>

namespace hansa::api {

namespace {

using engine::SiteReport;
using metrics::Exposition;
using metrics::Kind;
using Sites = std::vector<SiteReport>;

/// LEDGER_...: what keeps the ledger from being signed (engine/notary.hpp).
constexpr std::array kLedgerFaults{"LEDGER_KEY_MISSING", "LEDGER_KEY_UNUSABLE", "LEDGER_KEY", "LEDGER_WENT_BACK",
                                   "LEDGER_DIVERGED"};

void write_jobs(Exposition& page, const engine::Counters& counters) {
  page.family("hansa_jobs", Kind::gauge, "Jobs that are not over, by state.");
  for (const auto& [state, count] : counters.jobs_by_state) page.sample(count, {{"state", state}});
  page.family("hansa_oldest_waiting_job_timestamp_seconds", Kind::gauge,
              "When the oldest job was accepted that waits with the broker and is not held; none: there is no such job.");
  if (counters.oldest_waiting) page.sample(*counters.oldest_waiting);
  const auto total = [&](std::string_view name, std::string_view help, std::int64_t value) {
    page.family(name, Kind::counter, help);
    page.sample(value);
  };
  total("hansa_jobs_accepted_total", "Jobs accepted since start.", counters.accepted);
  page.family("hansa_jobs_ended_total", Kind::counter, "Jobs that ended since start, by their last state.");
  for (const auto& [state, count] : counters.ended_by_state) page.sample(count, {{"state", state}});
  page.family("hansa_decisions_total", Kind::counter,
              "Routing decisions taken since start, by the state that they lead to: submitting is a site chosen.");
  for (const auto& [outcome, count] : counters.decisions_by_outcome) page.sample(count, {{"outcome", outcome}});
  total("hansa_submissions_total", "Submissions sent to sites since start.", counters.submissions);
  total("hansa_messages_total", "Submissions and cancels that went to sites since start; by jobs accepted: what each costs them.",
        counters.messages);
  total("hansa_moves_total", "Moves of waiting jobs to other sites that were begun, over all time.", counters.moves);
}

void write_site_states(Exposition& page, const Sites& sites) {
  const auto each = [&](std::string_view name, Kind kind, std::string_view help, auto value) {
    page.family(name, kind, help);
    for (const auto& report : sites) page.sample(value(report), {{"site", report.site.id.str()}});
  };
  each("hansa_site_up", Kind::gauge, "Whether the site answers.",
       [](const auto& r) { return r.state.health == domain::SiteHealth::up; });
  each("hansa_site_drained", Kind::gauge, "Whether an operator drained the site.", [](const auto& r) { return r.state.drained; });
  each("hansa_site_quiet", Kind::gauge, "Whether the site has quiet hours now.",
       [](const auto& r) { return r.quiet_until.has_value(); });
  each("hansa_site_breaker_open", Kind::gauge, "Whether the site is left alone because it does not answer.",
       [](const auto& r) { return r.breaker != engine::Breaker::State::closed; });
  each("hansa_site_breaker_openings_total", Kind::counter, "Times that the site was left alone since start.",
       [](const auto& r) { return r.times_left_alone; });
  page.family("hansa_site_snapshot_timestamp_seconds", Kind::gauge,
              "When the site was as decisions take it to be; none: it was not seen since start.");
  for (const auto& report : sites) {
    if (report.snapshot_at) page.sample(*report.snapshot_at, {{"site", report.site.id.str()}});
  }
  page.family("hansa_site_balances_timestamp_seconds", Kind::gauge,
              "When the site last told what is left to projects; none: it is not asked, or has not told since start.");
  for (const auto& report : sites) {
    if (report.balances && report.balances->read_at) page.sample(*report.balances->read_at, {{"site", report.site.id.str()}});
  }
  each("hansa_site_cores", Kind::gauge, "Cores of the site.", [](const auto& r) { return r.cores; });
  each("hansa_site_free_cores", Kind::gauge, "Free cores of the site in its last snapshot.",
       [](const auto& r) { return r.free_cores; });
  page.family("hansa_site_doctor_findings", Kind::gauge, "Findings of the last report on the site, by verdict.");
  for (const auto& report : sites) {
    if (!report.state.doctor) continue;
    for (const auto verdict : {domain::DoctorVerdict::ok, domain::DoctorVerdict::warning, domain::DoctorVerdict::fault,
                               domain::DoctorVerdict::not_checked}) {
      page.sample(report.state.doctor->count(verdict), {{"site", report.site.id.str()}, {"verdict", to_string(verdict)}});
    }
  }
  each("hansa_site_doctor_drift_total", Kind::counter,
       "Findings that were found otherwise than by the report before, since start.", [](const auto& r) { return r.drifted; });
}

void write_site_jobs(Exposition& page, const Sites& sites) {
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    page.family(name, Kind::gauge, help);
    for (const auto& report : sites) page.sample(value(report), {{"site", report.site.id.str()}});
  };
  page.family("hansa_site_jobs", Kind::gauge, "Jobs of ours at the site, by state.");
  for (const auto& report : sites) {
    for (const auto& [state, count] : report.our_jobs_in)
      page.sample(count, {{"site", report.site.id.str()}, {"state", to_string(state)}});
  }
  each("hansa_site_live_jobs", "Jobs of ours at the site.", [](const auto& r) { return r.our_live_jobs; });
  each("hansa_site_waiting_jobs", "Jobs of ours in the site's queue.", [](const auto& r) { return r.our_waiting_jobs; });
  each("hansa_site_unknown_jobs", "Jobs of ours whose state at the site is unknown.",
       [](const auto& r) { return r.our_unknown_jobs; });
  page.family("hansa_site_oldest_unknown_timestamp_seconds", Kind::gauge,
              "Since when the state of the first of these jobs is unknown; none: there are none.");
  for (const auto& report : sites) {
    if (report.oldest_unknown) page.sample(*report.oldest_unknown, {{"site", report.site.id.str()}});
  }
}

void write_site_calls(Exposition& page, const Sites& sites) {
  page.family("hansa_site_calls_total", Kind::counter, "Calls made to the site since start, by kind.");
  for (const auto& report : sites) {
    for (const auto& calls : report.calls.kinds) page.sample(calls.begun, {{"site", report.site.id.str()}, {"kind", calls.kind}});
  }
  page.family("hansa_site_call_errors_total", Kind::counter,
              "Calls that ended with an error, by its code and by whether the site was silent or said no.");
  for (const auto& report : sites) {
    for (const auto& faults : report.calls.faults)
      page.sample(faults.calls,
                  {{"site", report.site.id.str()}, {"code", faults.code}, {"silent", faults.silent ? "true" : "false"}});
  }
  page.family("hansa_site_call_duration_seconds", Kind::histogram, "How long calls took, by kind, to a millisecond.");
  for (const auto& report : sites) {
    for (const auto& calls : report.calls.kinds) {
      if (calls.begun > 0) page.sample(calls.took_ms, 3, {{"site", report.site.id.str()}, {"kind", calls.kind}});
    }
  }
  const auto each_budget = [&](std::string_view name, Kind kind, std::string_view help, auto value) {
    page.family(name, kind, help);
    for (const auto& report : sites) {
      for (const auto& use : report.budget_use) page.sample(value(use), {{"site", report.site.id.str()}, {"kind", use.kind}});
    }
  };
  each_budget("hansa_site_budget_used", Kind::gauge,
              "What is used of the site's load budget: in the last minute, or at this moment.",
              [](const auto& use) { return use.used; });
  each_budget("hansa_site_budget_limit", Kind::gauge, "The site's load budget.", [](const auto& use) { return use.limit; });
  each_budget("hansa_site_budget_held_back_total", Kind::counter,
              "Calls that had to wait for the site's load budget since start.", [](const auto& use) { return use.held_back; });
}

struct LedgerFigures {
  std::int64_t records = 0;
  std::optional<ports::KeptCheckpoint> checkpoint;
  std::vector<ports::UsageRefusal> refusals;
};

async::Task<LedgerFigures> ledger_figures(ports::LedgerStore* store) {
  LedgerFigures figures;
  auto head = co_await store->ledger_head();
  if (!head) co_return std::unexpected(head.error());
  auto checkpoint = co_await store->last_checkpoint();
  if (!checkpoint) co_return std::unexpected(checkpoint.error());
  auto refusals = co_await store->usage_refusals();
  if (!refusals) co_return std::unexpected(refusals.error());
  co_return LedgerFigures{head->size, std::move(*checkpoint), std::move(*refusals)};
}

/// Without figures only the families' heads.
void write_ledger(Exposition& page, const Result<LedgerFigures>& figures, const std::string& fault, const Sites& sites) {
  page.family("hansa_ledger_records_total", Kind::counter, "Records of the ledger, over all time.");
  if (figures) page.sample(figures->records);
  page.family("hansa_ledger_checkpoint_records", Kind::gauge, "How many of them the newest checkpoint covers; 0: there is none.");
  if (figures) page.sample(figures->checkpoint ? figures->checkpoint->size : 0);
  page.family("hansa_ledger_checkpoint_timestamp_seconds", Kind::gauge, "When it was signed; 0: never.");
  if (figures) page.sample(figures->checkpoint ? figures->checkpoint->at : UtcTime{});
  page.family("hansa_ledger_fault", Kind::gauge, "Whether this kept the ledger from being signed the last time, by code.");
  for (const auto* code : kLedgerFaults) page.sample(fault == code, {{"code", code}});
  page.family("hansa_ledger_not_booked_total", Kind::counter,
              "Usage records of the site that were not booked, over all time; read again they count again.");
  if (!figures) return;
  std::map<SiteId, std::int64_t> refused;  // with a zero: what rises from nothing has risen
  for (const auto& report : sites) refused[report.site.id] = 0;
  for (const auto& refusal : figures->refusals) refused[refusal.site] += refusal.records;
  for (const auto& [site, records] : refused) page.sample(records, {{"site", site.str()}});
}

void write_allocations(Exposition& page, const Result<std::vector<domain::Allocation>>& allocations, UtcTime now) {
  page.family("hansa_allocations", Kind::gauge,
              "Grants and balances in force, by site (\"any\": of any) and by whether anything is left: open or spent.");
  if (!allocations) return;
  std::map<std::pair<std::string, bool>, std::int64_t> found;
  for (const auto& allocation : *allocations) {
    if (!allocation.counts(now)) continue;
    const auto site = allocation.site.empty() ? "any" : allocation.site.str();
    ++found[{site, allocation.left() <= domain::Charge{}}];
    found.try_emplace({site, false});
    found.try_emplace({site, true});
  }
  for (const auto& [key, count] : found) page.sample(count, {{"site", key.first}, {"state", key.second ? "spent" : "open"}});
}

void write_break_glass(Exposition& page, const engine::BreakGlassRegister::Figures& figures) {
  page.family("hansa_break_glass_open", Kind::gauge, "Break-glass that is open now, each to one operator.");
  page.sample(figures.open);
  page.family("hansa_break_glass_pending", Kind::gauge, "Break-glass that was asked for and waits for a second operator.");
  page.sample(figures.pending);
  page.family("hansa_break_glass_approved_total", Kind::counter, "Break-glass that a second operator approved since start.");
  page.sample(figures.approved);
}

}  // namespace

async::Task<http::Response> metrics(Exchange exchange) {
  auto& parts = exchange.api.parts();
  auto counters = co_await on_engine(exchange, parts.engine.counters());
  if (!counters) co_return std::unexpected(counters.error());
  auto sites = co_await on_engine(exchange, parts.engine.sites());
  if (!sites) co_return std::unexpected(sites.error());
  // A store that is overrun is when this page is needed: what it does not tell now is left out, and counted.
  const auto now = parts.scheduler.now_utc();
  const auto ledger = co_await ledger_figures(&parts.ledger);
  const auto allocations = co_await parts.allocations.store().allocations(std::nullopt, now);

  const auto format = metrics::format_for(exchange.request.headers.get("accept").value_or(""));
  Exposition page(format);
  write_jobs(page, *counters);
  write_site_states(page, *sites);
  write_site_jobs(page, *sites);
  write_site_calls(page, *sites);
  write_ledger(page, ledger, parts.notary.fault(), *sites);
  write_allocations(page, allocations, now);
  if (parts.break_glass) write_break_glass(page, parts.break_glass->figures());
  page.family("hansa_metrics_left_out", Kind::gauge, "Parts of this page that could not be read just now: ledger, allocations.");
  page.sample(int{!ledger} + int{!allocations});
  exchange.api.limits().write(page);
  if (parts.more_metrics) parts.more_metrics(page);
  co_return http::Response{
      .status = 200, .content_type = std::string(metrics::content_type(format)), .body = std::move(page).text()};
}

}  // namespace hansa::api
