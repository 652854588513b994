// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/periods.hpp"

#include "broker/core/time_text.hpp"
#include "broker/engine/reconciliations.hpp"

#include <algorithm>
#include <set>

namespace hansa::engine {

using ports::Adjustment;

namespace {

constexpr std::size_t kRecordsSummed = 5'000;  // in one read, so that others read between
constexpr std::size_t kLongestStatement = std::size_t{2} << 20;  // a line of an export
constexpr std::int64_t kMostAdded = 9'000'000'000'000;  // as of a run (docs/ledger.md)
constexpr std::size_t kKeyLength = 16;

bool is_settled(const SiteOfMonth& site) { return site.explanation || !site.unsettled_from; }

std::string what_is_left(const SiteOfMonth& site, Seconds apart) {
  std::string text = "site " + site.site.str() + " is not settled from " + format_utc(*site.unsettled_from) + " on";
  if (site.unexplained > 0) return text + ": " + std::to_string(site.unexplained) + " differences are to be explained";
  return text + ": reconcile it, twice, " + std::to_string(apart.count()) + " s apart at least";
}

}  // namespace

async::Task<SiteOfMonth> Periods::site_of(SiteId site, ledger::MonthSpan span, const MonthView& view, UtcTime now,
                                          RestsOn& rests_on) {
  SiteOfMonth of{.site = site, .unsettled_from = {}, .explanation = {}, .signed_size = {}};
  auto made = co_await reconciliations_.reconciliations({.site = site,
                                                         .id = {},
                                                         .from = from_unix_seconds(span.from_s),
                                                         .to = from_unix_seconds(span.to_s),
                                                         .limit = ledger::kMostSeen});
  if (!made) co_return std::unexpected(made.error());
  auto explained = co_await reconciliations_.explanation(site, view.period);
  if (!explained) co_return std::unexpected(explained.error());
  of.explanation = std::move(*explained);
  ledger::SiteThen then{.site = site.str(), .reconciliations = {}, .explained_at_s = {}};
  if (of.explanation) then.explained_at_s = to_unix_seconds(of.explanation->at);
  std::vector<ledger::Look> looks;
  for (const auto& one : *made) looks.push_back(look_of(one));
  for (const auto place : ledger::deciding(span, looks, options_.apart.count())) {
    const auto& one = (*made)[place];
    then.reconciliations.push_back({.id = one.id,
                                    .from_s = looks[place].from_s,
                                    .to_s = looks[place].to_s,
                                    .at_s = looks[place].at_s,
                                    .matched = one.matched,
                                    .differences = one.differing(),
                                    .unexplained = one.unexplained,
                                    .others = one.others});
  }
  rests_on.push_back(std::move(then));
  if (!made->empty()) of.unexplained = made->front().unexplained;
  if (const auto key = options_.keys.find(site); key != options_.keys.end()) {
    auto cosigned = co_await ledger_.last_cosignatures();
    if (!cosigned) co_return std::unexpected(cosigned.error());
    for (const auto& [size, cosignature] : *cosigned) {
      const auto signature = ledger::parse_signature(cosignature.line);
      if (signature && ledger::names(*signature, key->second)) of.signed_size = size;
    }
  }
  const bool is_signed = view.month && view.month->closed && of.signed_size && *of.signed_size > *view.month->closed;
  const auto settled = ledger::settled_at(span, looks, options_.apart.count(), to_unix_seconds(now), is_signed);
  if (settled.unsettled_from_s) of.unsettled_from = from_unix_seconds(*settled.unsettled_from_s);
  of.grade = settled.grade;
  co_return of;
}

async::Task<MonthView> Periods::look(std::string period) {
  RestsOn rests_on;
  co_return co_await look(std::move(period), clock_.now_utc(), rests_on);
}

async::Task<MonthView> Periods::look(std::string period, UtcTime now, RestsOn& rests_on) {
  const auto span = ledger::month_named(period);
  if (!span) co_return std::unexpected(span.error());
  MonthView view{.month = {}, .period = period, .sites = {}, .opening = {}, .closing = {}};
  auto months = co_await store_.months();
  if (!months) co_return std::unexpected(months.error());
  for (auto& one : *months) {
    if (one.period == period) view.month = std::move(one);
  }
  auto used = co_await store_.sites_in(period);
  if (!used) co_return std::unexpected(used.error());
  std::set<SiteId> sites(used->begin(), used->end());
  sites.insert(options_.sites.begin(), options_.sites.end());
  for (const auto& site : sites) {
    auto of = co_await site_of(site, *span, view, now, rests_on);
    if (!of) co_return std::unexpected(of.error());
    view.sites.push_back(std::move(*of));
  }
  auto unseen = co_await store_.unseen_records(period);
  if (!unseen) co_return std::unexpected(unseen.error());
  view.unseen = unseen->first;
  if (!view.month) co_return view;
  auto opening = co_await store_.checkpoint_of(view.month->opened);
  if (!opening) co_return std::unexpected(opening.error());
  view.opening = std::move(*opening);
  if (!view.month->closed) co_return view;
  auto closing = co_await store_.checkpoint_of(*view.month->closed);
  if (!closing) co_return std::unexpected(closing.error());
  view.closing = std::move(*closing);
  co_return view;
}

async::Task<std::map<SiteId, ledger::Grade>> Periods::grades(std::vector<std::pair<SiteId, std::string>> months_of_sites) {
  std::map<SiteId, ledger::Grade> weakest;
  auto months = co_await store_.months();
  if (!months) co_return std::unexpected(months.error());
  for (const auto& [site, period] : months_of_sites) {
    const auto span = ledger::month_named(period);
    if (!span) co_return std::unexpected(span.error());
    const auto known = weakest.try_emplace(site, ledger::Grade::a).first;
    if (known->second == ledger::Grade::c) continue;
    MonthView view{.month = {}, .period = period, .sites = {}, .opening = {}, .closing = {}};
    const auto at = std::ranges::find(*months, period, &ports::Month::period);
    if (at != months->end()) view.month = *at;
    RestsOn rests_on;
    auto of = co_await site_of(site, *span, view, clock_.now_utc(), rests_on);
    if (!of) co_return std::unexpected(of.error());
    known->second = std::max(known->second, of->grade);
  }
  co_return weakest;
}

async::Task<MonthView> Periods::open(std::string period) {
  const auto span = ledger::month_named(period);
  if (!span) co_return std::unexpected(span.error());
  const auto now = clock_.now_utc();
  if (span->from_s > to_unix_seconds(now))
    co_return fail(ErrorKind::conflict, "NOT_BEGUN", "the month " + period + " has not begun");
  if (auto opened = co_await store_.open_month(period, now); !opened) co_return std::unexpected(opened.error());
  (void)co_await notary_.checkpoint();  // without a key nothing is signed; whoever looks sees that
  co_return co_await look(std::move(period));
}

async::Task<ports::MonthSums> Periods::sum_up(std::string period) {
  ports::MonthSums sums;
  while (true) {
    auto next = co_await store_.sum_month(period, sums, kRecordsSummed);
    // What was booked meanwhile is summed up as well, until the commit has little left to read.
    if (!next || (sums.whole && next->size - sums.size < static_cast<std::int64_t>(kRecordsSummed))) co_return next;
    sums = *next;
  }
}

async::Task<std::optional<ports::MonthClose>> Periods::found_closable(std::string period, bool early) {
  const auto span = ledger::month_named(period);
  if (!span) co_return std::unexpected(span.error());
  const auto now = clock_.now_utc();
  auto unseen = co_await store_.unseen_records(period);  // before all else: what is booked later is seen at the commit
  if (!unseen) co_return std::unexpected(unseen.error());
  RestsOn rests_on;
  const auto view = co_await look(period, now, rests_on);
  if (!view) co_return std::unexpected(view.error());
  if (!view->month)
    co_return fail(ErrorKind::not_found, "NOT_OPENED",
                   "the period " + period + " was not opened: hansa ledger period open " + period);
  if (view->month->closed) co_return std::nullopt;
  if (span->to_s > to_unix_seconds(now) && !early) {
    co_return fail(
        ErrorKind::conflict, "NOT_OVER",
        "the month " + period + " is not over: close it then, or with --early; what ends in it later counts as a correction");
  }
  auto refused = fail(ErrorKind::conflict, "NOT_SETTLED", "the period " + period + " cannot be closed yet");
  std::string sites;
  for (const auto& site : view->sites) {
    sites += (sites.empty() ? "" : " ") + site.site.str() + "=" + std::string(to_string(site.grade));
    if (!is_settled(site)) refused.error().faults.push_back({site.site.str(), what_is_left(site, options_.apart)});
  }
  if (unseen->first > 0) {
    refused.error().faults.push_back(
        {"records", std::to_string(unseen->first) + " records of it were booked since their sites were reconciled last"});
  }
  if (!refused.error().faults.empty()) {
    for (const auto& fault : refused.error().faults) refused.error().message += "; " + fault.message;
    co_return refused;
  }
  auto statement = ledger::close_text(rests_on);
  if (statement.size() > kLongestStatement) {
    co_return fail(ErrorKind::conflict, "TOO_MUCH_SEEN",
                   "the statement of what the close of " + period +
                       " rests on is longer than an export's line may be: reconcile each site once over the whole month, and "
                       "again " +
                       std::to_string(options_.apart.count()) + " s later (hansa ledger reconcile), so that these decide alone");
  }
  ports::MonthClose close{.period = period,
                          .at = now,
                          .sites = std::move(sites),
                          .rests_on = std::move(statement),
                          .apart = options_.apart,
                          .looked_at = unseen->second,
                          .sums = {}};
  for (const auto& site : rests_on)
    close.newest.emplace_back(SiteId(site.site), site.reconciliations.empty() ? "" : site.reconciliations.front().id);
  co_return close;
}

async::Task<MonthView> Periods::close(std::string period, bool early) {
  auto close = co_await found_closable(period, early);  // refused before so much is read
  if (!close) co_return std::unexpected(close.error());
  if (*close) {
    const auto sums = co_await sum_up(period);
    if (!sums) co_return std::unexpected(sums.error());
    close = co_await found_closable(period, early);  // anew: that took long, and sites were reconciled meanwhile
    if (!close) co_return std::unexpected(close.error());
    if (*close) {
      (*close)->sums = *sums;
      const auto closed = co_await store_.close_month(std::move(**close));
      if (!closed) co_return std::unexpected(closed.error());
      log_.write(ports::LogLevel::info, "a period of the ledger is closed",
                 {{"period", period}, {"record", std::to_string(*closed)}});
    }
  }
  if (auto signed_now = co_await notary_.checkpoint(); !signed_now) co_return std::unexpected(signed_now.error());
  co_return co_await look(std::move(period));
}

async::Task<> Periods::explain(Asking asking, SiteId site, std::string key) {
  const bool is_key = key.size() == kKeyLength && key.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_key && !ledger::span_of(key)) {
    co_return fail(ErrorKind::invalid_argument, "BAD_KEY",
                   "\"" + key.substr(0, 40) +
                       "\" names no difference: take it from hansa ledger reconciliations, or give a month "
                       "of which the site cannot be asked, as 2026-11");
  }
  if (!is_key && std::ranges::find(options_.sites, site) == options_.sites.end()) {
    auto used = co_await store_.sites_in(key);
    if (!used) co_return std::unexpected(used.error());
    if (std::ranges::find(*used, site) == used->end())
      co_return fail(ErrorKind::not_found, "SITE_NOT_FOUND", "there is no site \"" + site.str() + "\"; see: hansa sites");
  }
  const auto now = clock_.now_utc();
  auto explained = co_await reconciliations_.explain(site, key, {.reason = asking.reason, .by = asking.by, .at = now});
  if (!explained) co_return explained;
  log_.write(ports::LogLevel::info, "a difference of the ledger is explained",
             {{"site", site.str()}, {"difference", key}, {"by", asking.by.str()}});
  co_return explained;
}

async::Task<Adjustment> Periods::adjust(Asking asking, Adjustment wanted) {
  const auto too_much = [](std::int64_t amount) { return amount < -kMostAdded || amount > kMostAdded; };
  const auto amounts = {wanted.core_seconds.value, wanted.gpu_seconds.value, wanted.node_seconds.value};
  if (std::ranges::all_of(amounts, [](std::int64_t amount) { return amount == 0; }) || std::ranges::any_of(amounts, too_much)) {
    co_return fail(ErrorKind::invalid_argument, "BAD_ADJUSTMENT",
                   "an adjustment adds something, and of anything at most " + std::to_string(kMostAdded));
  }
  wanted.id = ids_.next().str();
  wanted.reason = std::move(asking.reason);
  wanted.by = std::move(asking.by);
  wanted.at = clock_.now_utc();
  wanted.ruling.reset();
  if (auto proposed = co_await store_.propose_adjustment(wanted); !proposed) co_return std::unexpected(proposed.error());
  co_return wanted;
}

async::Task<Adjustment> Periods::rule(Asking asking, std::string id, bool approved) {
  Adjustment::Ruling ruling{
      .approved = approved, .by = std::move(asking.by), .reason = std::move(asking.reason), .at = clock_.now_utc(), .record = {}};
  co_return co_await store_.rule_on_adjustment(std::move(id), std::move(ruling));
}

}  // namespace hansa::engine
