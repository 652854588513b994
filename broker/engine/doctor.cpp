// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/doctor.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr std::size_t kMostAccounts = 20;  // of a site with thousands: a sample tells what a site is like
constexpr Milliseconds kPatience{55'000};  // whoever asks over REST waits for a minute
constexpr std::string_view kReachable = "REACHABLE";
constexpr std::string_view kBudget = "BUDGET";
constexpr std::string_view kAccounts = "ACCOUNTS";
constexpr std::string_view kTerms = "TERMS", kPeople = "PEOPLE";  // of a site that its people serve: there was one to ask
constexpr Milliseconds kAgainAfter{600'000};  // a look that failed
constexpr Milliseconds kBarredAgainAfter{900'000};  // one that found what bars
constexpr Milliseconds kOffersAgainAfter{43'200'000};  // one that found what jobs may need, which is believed for a day

bool has(const DoctorReport& report, std::string_view check) {
  return std::ranges::find(report.findings, check, &Finding::check) != report.findings.end();
}

/// Of a site whose people serve it, while none of them is there: what was found before stands beside that, dated.
void keep_what_was_found(DoctorReport& found, const DoctorReport& before) {
  const auto said = found;
  for (const auto& finding : before.findings) {
    if (finding.check != kReachable && finding.check != kBudget && finding.check != kAccounts && !has(said, finding.check))
      found.findings.push_back(finding);
  }
}

}  // namespace

async::Task<DoctorReport> Doctor::look_over(SiteDesk& desk, Principal by) {
  const auto& site = desk.site().id;
  if (!under_way_.insert(site).second)
    co_return fail(ErrorKind::conflict, "DOCTOR_BUSY", "site " + site.str() + " is being looked over already; try again soon");
  struct Done {
    std::set<SiteId>& set;
    SiteId site;
    ~Done() { set.erase(site); }
  } done{under_way_, site};

  ports::DoctorRequest request{.accounts = context_.accounts.accounts_at(site),
                               .person = std::move(by),
                               .clock_skew = std::chrono::floor<Seconds>(context_.options.clock_skew)};
  const auto people = request.accounts.size();
  if (people > kMostAccounts) request.accounts.resize(kMostAccounts);
  const auto began = context_.scheduler.now_monotonic();
  const auto patience = std::min(kPatience, context_.options.call_timeout);
  auto report =
      co_await desk.call<DoctorReport>(CallKind::query, async::Deadline::in(context_.scheduler, patience),
                                       [&](ports::SiteConnector& connector, async::Deadline until) {
        // Its checks end by themselves, and nothing is cut off half-way.
                                         return connector.doctor(std::move(request), async::Deadline{until.at + -patience / 10});
                                       });
  if (!report && report.error().kind == ErrorKind::cancelled) co_return report;
  if (report) {
    if (auto charged = co_await desk.charge_queries(report->questions - 1); !charged) co_return std::unexpected(charged.error());
  }

  const auto now = context_.scheduler.now_utc();
  const auto before = desk.state().doctor;
  Finding reachable{.check = std::string(kReachable), .source = "this call", .at = now, .reading = true};
  DoctorReport found;
  const bool nobody = report && has(*report, kPeople);
  if (nobody) {
    found = std::move(*report);
    const auto there = std::ranges::find(found.findings, kPeople, &Finding::check);
    reachable.value = std::move(there->value);
    reachable.remedy = std::move(there->remedy);
    found.findings.erase(there);
    if (before) keep_what_was_found(found, *before);
  } else if (report) {
    found = std::move(*report);
    reachable.verdict = DoctorVerdict::ok;
    reachable.value = "answered in " + std::to_string((context_.scheduler.now_monotonic() - began).count()) + " ms";
  } else {
    if (before) found.findings = before->findings;  // what was found before stands, dated
    reachable.verdict = DoctorVerdict::fault;
    reachable.value = report.error().message;
    reachable.remedy = "see why its commands do not answer on the broker's host; jobs there are kept and shown as unknown";
    std::erase_if(found.findings,
                  [](const Finding& f) { return f.check == kReachable || f.check == kBudget || f.check == kAccounts; });
  }
  found.at = now;
  // A site that was never seen has no version to differ from: the first snapshot asks for a report again.
  // One that was not looked over has still the version of before, so that it is looked over yet.
  found.scheduler = report && !nobody && desk.snapshot() ? desk.snapshot()->scheduler : before ? before->scheduler : "";
  found.findings.insert(found.findings.begin(), std::move(reachable));
  if (people > kMostAccounts) {
    found.findings.push_back(
        {.check = std::string(kAccounts),
         .verdict = DoctorVerdict::not_checked,
         .value = "the first " + std::to_string(kMostAccounts) + " of " + std::to_string(people) + " accounts were checked",
         .source = "the site's accounts",
         .at = now,
         .remedy = "the others are as these, or their people will say so"});
  }
  found.findings.push_back(budget_of(desk));

  if (const auto fresh = note_drift(before, found); fresh > 0) {
    drifted_[site] += static_cast<std::int64_t>(fresh);
    for (std::size_t i = 0; i < std::min(fresh, found.drift.size()); ++i) {
      const auto& drift = found.drift[i];
      context_.log.write(ports::LogLevel::warning, "a site has changed",
                         {{"site", site.str()},
                          {"check", drift.check},
                          {"account", drift.subject},
                          {"before", drift.before},
                          {"now", drift.after}});
    }
  }
  // It is told in any case; that it could not be stored costs the comparison with it, after a restart.
  if (auto stored = co_await desk.keep_report(found); !stored) {
    context_.log.write(ports::LogLevel::warning, "a site's report could not be stored",
                       {{"site", site.str()}, {"code", stored.error().code}, {"error", stored.error().message}});
  }
  told_(desk);
  co_return found;
}

Finding Doctor::budget_of(const SiteDesk& desk) const {
  const auto& options = context_.options;
  const auto per_minute = [](Milliseconds interval) {
    return 60'000.0 / static_cast<double>(std::max<std::int64_t>(1, interval.count()));
  };
  const auto needed = static_cast<std::int64_t>(per_minute(options.status_interval) + per_minute(options.snapshot_interval) +
                                                per_minute(options.usage_interval) + 0.999);
  const auto& budget = desk.site().budget;
  Finding finding{.check = std::string(kBudget),
                  .verdict = DoctorVerdict::ok,
                  .value = std::to_string(budget.queries_per_minute) + " queries a minute, of which the regular looks need " +
                           std::to_string(needed),
                  .source = "hansad.toml: site.budget, engine",
                  .at = context_.scheduler.now_utc()};
  if (needed > budget.queries_per_minute) {
    finding.verdict = DoctorVerdict::warning;
    finding.remedy =
        "raise budget.queries_per_minute, or look less often (engine.status_interval_ms, snapshot_interval_ms, "
        "usage_interval_ms)";
  }
  return finding;
}

void Doctor::news(SiteDesk& desk) {
  const auto& report = desk.state().doctor;
  const auto now = context_.scheduler.now_utc();
  // What a site's people say of its version may be another word each time.
  const bool changed = report && desk.snapshot() && desk.snapshot()->scheduler != report->scheduler && !has(*report, kTerms);
  const bool barred = report && now - report->at >= kBarredAgainAfter && std::ranges::any_of(report->findings, &Finding::bars);
  const bool offered =
      report && now - report->at >= kOffersAgainAfter && std::ranges::any_of(report->findings, [](const Finding& f) {
        return !f.offers.empty() && f.verdict != DoctorVerdict::not_checked;
      });
  if ((!changed && !barred && !offered) || desk.breaker().open() || under_way_.contains(desk.site().id)) return;
  const auto reachable = std::ranges::find(report->findings, kReachable, &Finding::check);
  const bool failed = reachable != report->findings.end() && reachable->verdict == DoctorVerdict::fault;
  if (failed && now - report->at < kAgainAfter) return;
  context_.log.write(ports::LogLevel::info,
                     changed  ? "a site runs another version: it is looked over again"
                     : barred ? "a site that takes no jobs is looked over again"
                              : "what a site has for jobs is looked at again",
                     {{"site", desk.site().id.str()}, {"before", report->scheduler}, {"now", desk.snapshot()->scheduler}});
  (void)context_.tasks.spawn("doctor", look_over_again(&desk));
}

async::Task<> Doctor::look_over_again(SiteDesk* desk) {
  if (auto report = co_await look_over(*desk, Principal("broker:doctor")); !report) co_return std::unexpected(report.error());
  co_return Result<void>{};
}

std::int64_t Doctor::drifted(const SiteId& site) const {
  const auto at = drifted_.find(site);
  return at == drifted_.end() ? 0 : at->second;
}

}  // namespace hansa::engine
