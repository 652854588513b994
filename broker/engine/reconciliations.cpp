// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/reconciliations.hpp"

#include "broker/ports/usage_between.hpp"

#include <algorithm>
#include <set>

namespace hansa::engine {

using ports::Difference;
using ports::DifferenceKind;
using ports::Reconciliation;

namespace {

constexpr std::size_t kTasks = 1'000;          // a loop and a run for each site
constexpr std::size_t kRunsInPage = 1'000;
constexpr std::size_t kFailuresKept = 100;
constexpr std::size_t kLooksRead = 1'000;
constexpr Seconds kLookBack{62 * 86'400};
constexpr Seconds kFirstLook{3 * 86'400};      // of a site that was never reconciled
constexpr Milliseconds kAfterAFailure{900'000};
constexpr Milliseconds kCalm{600'000};

}  // namespace

ledger::Look look_of(const Reconciliation& made) {
  return {.from_s = to_unix_seconds(made.from),
          .to_s = to_unix_seconds(made.to),
          .at_s = to_unix_seconds(made.at),
          .clean = made.unexplained == 0,
          .saw_others = made.others.has_value()};
}

/// What has been seen so far.
class Reconciliations::Comparison {
 public:
  explicit Comparison(Reconciliation asked) : made_(std::move(asked)) {}

  void take(ports::Compared compared) {
    for (const auto record : compared.matched) {
      if (mark(record)) ++made_.matched;
    }
    others_ += compared.others;
    for (auto& difference : compared.differences) {
      if (difference.record) mark(*difference.record);
      add(std::move(difference));
    }
  }
  void take_others(std::optional<std::int64_t> seen) {
    hidden_ = hidden_ || !seen;
    others_ += seen.value_or(0);
  }
  void begin_again() { others_ = 0; }
  void miss(const ports::StandingRun& run) {
    const auto at = static_cast<std::size_t>(run.record);
    if (at < seen_.size() && seen_[at]) return;
    Difference missing{.kind = DifferenceKind::missing_at_site,
                       .key = {},
                       .cluster = run.cluster,
                       .site_job_id = run.site_job_id,
                       .submitted_at = run.submitted_at,
                       .started_at = run.started_at,
                       .ended_at = run.ended_at,
                       .record = run.record,
                       .fields = {},
                       .outcome = "left",
                       .explanation = {}};
    missing.key = ports::key_of(missing);
    add(std::move(missing));
  }
  std::pair<Reconciliation, std::vector<Difference>> finish(std::int64_t ledger_size, UtcTime at) && {
    made_.ledger_size = ledger_size;
    made_.at = std::chrono::floor<Seconds>(at);
    if (!hidden_) made_.others = others_;
    made_.listed = std::ssize(differences_);
    return {std::move(made_), std::move(differences_)};
  }

 private:
  bool mark(std::int64_t record) {
    const auto at = static_cast<std::size_t>(record);
    if (at >= seen_.size()) seen_.resize(at + 1);
    const bool is_new = !seen_[at];
    seen_[at] = true;
    return is_new;
  }
  void add(Difference difference) {
    if (keys_.contains(difference.key)) return;  // told at the end of one page and at the beginning of the next
    if (keys_.size() < ports::kMostDifferences) keys_.insert(difference.key);
    ++made_.differences[static_cast<std::size_t>(difference.kind)];
    if (differences_.size() < ports::kMostDifferences) differences_.push_back(std::move(difference));
  }

  Reconciliation made_;
  std::vector<Difference> differences_;
  std::set<std::string> keys_;  // of those
  std::vector<bool> seen_;  // by record of the ledger
  std::int64_t others_ = 0;
  bool hidden_ = false;
};

Reconciliations::Reconciliations(Options options, async::Scheduler& scheduler, UlidSource& ids, Engine& engine,
                                 ports::ReconciliationStore& store, ports::LedgerStore& ledger, ports::Log& log)
    : options_(std::move(options)),
      scheduler_(scheduler),
      ids_(ids),
      engine_(engine),
      store_(store),
      ledger_(ledger),
      log_(log),
      tasks_(engine.executor(), kTasks, [&log](std::string_view name, const Error& error) {
        log.write(ports::LogLevel::error, "a reconciliation ended",
                  {{"task", std::string(name)}, {"code", error.code}, {"error", error.message}});
      }) {}

async::Task<> Reconciliations::start() {
  started_at_ = scheduler_.now_monotonic();
  if (options_.interval.count() == 0) co_return Result<void>{};
  for (const auto& [site, tolerance] : options_.sites) {
    if (auto started = tasks_.spawn("daily", daily(site)); !started) co_return started;
  }
  co_return Result<void>{};
}

Result<Reconciliation> Reconciliations::prepare(SiteId site, UtcTime from, std::optional<UtcTime> to, Principal by) {
  const auto known = options_.sites.find(site);
  if (known == options_.sites.end())
    return fail(ErrorKind::not_found, "SITE_NOT_FOUND", "there is no site \"" + site.str() + "\"; see: hansa sites");
  const auto now = std::chrono::floor<Seconds>(scheduler_.now_utc());
  Reconciliation asked{.id = ids_.next().str(),
                       .site = site,
                       .from = std::chrono::floor<Seconds>(from),
                       .to = std::min(std::chrono::floor<Seconds>(to.value_or(now)), now - options_.settling),
                       .begun_at = now,
                       .at = {},
                       .by = std::move(by),
                       .tolerance = known->second,
                       .others = {}};
  if (to_unix_seconds(asked.from) < 0 || asked.from >= asked.to) {
    return fail(ErrorKind::invalid_argument, "BAD_TIME",
                "nothing can be compared from " + std::to_string(to_unix_seconds(asked.from)) + " to " +
                    std::to_string(to_unix_seconds(asked.to)) +
                    " (seconds): the end lies behind the beginning, and what ended in the last " +
                    std::to_string(options_.settling.count()) + " s is left to the next time");
  }
  if (const auto other = under_way_.find(site); other != under_way_.end())
    return fail(ErrorKind::conflict, "RECONCILING", "site " + site.str() + " is being reconciled already, as " + other->second);
  under_way_.emplace(site, asked.id);
  return asked;
}

async::Task<std::string> Reconciliations::begin(SiteId site, UtcTime from, std::optional<UtcTime> to, Principal by) {
  const auto asked = prepare(site, from, to, std::move(by));
  if (!asked) co_return std::unexpected(asked.error());
  if (auto started = tasks_.spawn("reconciliation", run(*asked)); !started) {
    under_way_.erase(site);
    co_return std::unexpected(started.error());
  }
  co_return asked->id;
}

std::unexpected<Error> no_such_reconciliation(std::string_view id) {
  return fail(ErrorKind::not_found, "NO_SUCH_RECONCILIATION",
              "there is no reconciliation " + std::string(id.substr(0, 40)) +
                  ": one that the broker's end cut off is to be asked for again");
}

async::Task<Reconciliations::Outcome> Reconciliations::outcome(std::string id) {
  for (const auto& [site, at] : under_way_) {
    if (at == id) co_return Outcome(UnderWay{site});
  }
  if (const auto at = failed_.find(id); at != failed_.end()) co_return Outcome(at->second);
  auto kept = co_await store_.reconciliations({.site = {}, .id = id, .limit = 1});
  if (!kept) co_return std::unexpected(kept.error());
  if (!kept->empty()) co_return Outcome(std::move(kept->front()));
  co_return no_such_reconciliation(id);
}

async::Task<> Reconciliations::run(Reconciliation asked) {
  struct Ended {
    Reconciliations& all;
    SiteId site;
    ~Ended() { all.under_way_.erase(site); }
  } ended{*this, asked.site};
  const auto id = asked.id;
  const auto made = co_await compare(std::move(asked));
  if (made) {
    const bool clean = made->differing() == 0;
    log_.write(clean ? ports::LogLevel::info : ports::LogLevel::warning,
               clean ? "the ledger is what the site's accounting says" : "the ledger and the site's accounting differed",
               {{"site", made->site.str()},
                {"reconciliation", id},
                {"matched", std::to_string(made->matched)},
                {"differences", std::to_string(made->differing())}});
    co_return Result<void>{};
  }
  log_.write(ports::LogLevel::warning, "a site could not be reconciled",
             {{"site", ended.site.str()}, {"code", made.error().code}, {"error", made.error().message}});
  if (failed_.size() == kFailuresKept) failed_.erase(failed_.begin());
  failed_.insert_or_assign(id, Failed{ended.site, made.error()});
  co_return Result<void>{};
}

Result<void> Reconciliations::check_progress(const SiteId& site, std::int64_t pages, MonotonicTime begun, bool moved) const {
  const auto told = "the accounting of site " + site.str() + " ";
  if (!moved) {
    return fail(ErrorKind::unavailable, "ACCOUNTING_STUCK",
                told +
                    "says that there is more, and where: at the same place. What it says is no statement; look at its "
                    "connector, or at the site's agent");
  }
  const auto took = scheduler_.now_monotonic() - begun;
  if (pages < options_.most_pages && took < options_.longest) return {};
  return fail(ErrorKind::unavailable, "NO_END",
              told + "did not end within " + std::to_string(pages) + " pages and " +
                  std::to_string(std::chrono::floor<Seconds>(took).count()) +
                  " s: ask for a shorter time with --from and --to; if that has no end either, look at its connector, or at the "
                  "site's agent");
}

async::Task<Reconciliation> Reconciliations::compare(Reconciliation asked) {
  const auto site = asked.site;
  const auto tolerance = asked.tolerance;
  const auto from = asked.from, to = asked.to;
  Comparison comparison(std::move(asked));
  auto cursor = ports::usage_between({from, to});
  bool by_time = true;
  const auto begun = scheduler_.now_monotonic();
  for (std::int64_t pages = 1;; ++pages) {
    auto page = co_await engine_.read_accounting(site, cursor);
    if (!page && by_time && page.error().kind == ErrorKind::invalid_argument) {
      by_time = false;  // it knows no such cursor: all of it is read, and what is asked about kept
      cursor = {};
      comparison.begin_again();
      continue;
    }
    if (!page) co_return std::unexpected(page.error());
    // Of a whole accounting nobody says how many others ended in this time, unless there are none at all.
    comparison.take_others(by_time || page->others == 0 ? page->others : std::nullopt);
    std::erase_if(page->records, [&](const auto& record) { return record.ended_at < from || record.ended_at >= to; });
    if (!page->records.empty()) {
      auto compared = co_await store_.compare_usage(site, std::move(page->records), tolerance, scheduler_.now_utc());
      if (!compared) co_return std::unexpected(compared.error());
      if (!compared->booked.empty()) {
        if (auto counted = co_await engine_.usage_booked(site, compared->booked); !counted)
          co_return std::unexpected(counted.error());
      }
      comparison.take(std::move(*compared));
    }
    if (page->complete) break;
    if (auto goes_on = check_progress(site, pages, begun, page->next.text != cursor.text); !goes_on)
      co_return std::unexpected(goes_on.error());
    cursor = std::move(page->next);
  }
  // What is booked from here on has not been looked at.
  auto head = co_await ledger_.ledger_head();
  if (!head) co_return std::unexpected(head.error());
  std::optional<ports::StandingRun> last;
  while (true) {
    auto runs = co_await store_.standing_runs(site, from, to, last, kRunsInPage);
    if (!runs) co_return std::unexpected(runs.error());
    for (const auto& run : *runs) comparison.miss(run);
    if (runs->size() < kRunsInPage) break;
    last = std::move(runs->back());
  }
  auto [made, differences] = std::move(comparison).finish(head->size, scheduler_.now_utc());
  const auto id = made.id;
  if (auto kept = co_await store_.keep_reconciliation(std::move(made), std::move(differences)); !kept)
    co_return std::unexpected(kept.error());
  auto stored = co_await store_.reconciliations({.site = {}, .id = id, .limit = 1});  // with what is explained already
  if (!stored) co_return std::unexpected(stored.error());
  if (stored->empty()) co_return fail(ErrorKind::internal, "NOT_KEPT", "reconciliation " + id + " was not kept");
  co_return std::move(stored->front());
}

async::Task<UtcTime> Reconciliations::where_to_begin(SiteId site, UtcTime to) {
  auto made = co_await store_.reconciliations({.site = site, .id = {}, .from = to - kLookBack, .to = to, .limit = kLooksRead});
  if (!made) co_return std::unexpected(made.error());
  if (made->empty()) co_return to - kFirstLook;
  std::vector<ledger::Look> looks;
  auto oldest = to;
  for (const auto& one : *made) {
    looks.push_back(look_of(one));
    oldest = std::min(oldest, one.from);
  }
  const ledger::MonthSpan span{to_unix_seconds(std::max(oldest, to - kLookBack)), to_unix_seconds(to)};
  co_return from_unix_seconds(
      ledger::first_unsettled(span, looks, options_.apart.count()).value_or(span.to_s - kFirstLook.count()));
}

/// Not in the first minutes, when there is enough to ask. A clock that was set back makes nobody wait longer than an interval.
async::Task<Milliseconds> Reconciliations::until_due(SiteId site) {
  auto made = co_await store_.reconciliations({.site = site, .id = {}, .limit = 1});
  if (!made) co_return std::unexpected(made.error());
  const Milliseconds interval = options_.interval;
  const auto calm = started_at_ + std::min(kCalm, interval) - scheduler_.now_monotonic();
  Milliseconds wait{0};
  if (!made->empty())
    wait = std::min(std::chrono::ceil<Milliseconds>(made->front().at + interval - scheduler_.now_utc()), interval);
  co_return std::max({calm, wait, Milliseconds{0}});
}

async::Task<> Reconciliations::look_at(SiteId site) {
  const auto to = scheduler_.now_utc() - options_.settling;
  auto from = co_await where_to_begin(site, to);
  if (!from) co_return std::unexpected(from.error());
  const auto asked = prepare(site, *from, to, Principal("broker:daily"));
  if (!asked) co_return std::unexpected(asked.error());
  if (auto ran = co_await run(*asked); !ran) co_return ran;
  const auto failed = failed_.find(asked->id);
  co_return failed == failed_.end() ? Result<void>{} : std::unexpected(failed->second.error);
}

/// A site that cannot be asked now is asked again soon, with all that is not settled by then.
async::Task<> Reconciliations::daily(SiteId site) {
  while (true) {
    const auto wait = co_await until_due(site);
    auto pause = wait ? *wait : kAfterAFailure;
    if (pause == Milliseconds{0} && !co_await look_at(site)) pause = std::min<Milliseconds>(kAfterAFailure, options_.interval);
    co_await scheduler_.sleep_until(scheduler_.now_monotonic() + pause);
  }
}

}  // namespace hansa::engine
