// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/periods.hpp"

#include "broker/core/time_text.hpp"
#include "broker/engine/reconciliations.hpp"

#include <algorithm>
#include <set>

namespace hansa::engine {

using ports::Adjustment;

namespace {

constexpr std::size_t kLooksOfMonth = 1'000;
constexpr std::int64_t kMostAdded = 9'000'000'000'000;  // as of a run (docs/ledger.md)
constexpr std::size_t kKeyLength = 16;

/// A month that is not over is looked at as far as it was already before the newest look, so long before as closing asks. What
/// that saw beside is new, and was seen.
std::int64_t seen_twice(ledger::MonthSpan span, const std::vector<ledger::Look>& looks, std::int64_t apart_s) {
  auto to = span.from_s;
  for (const auto& look : looks) {
    if (look.at_s + apart_s <= looks.front().at_s) to = std::max(to, look.to_s);
  }
  return to > span.from_s ? std::min(to, span.to_s) : span.to_s;
}

bool is_settled(const SiteOfMonth& site) { return site.explanation || !site.unsettled_from; }

std::string what_is_left(const SiteOfMonth& site, Seconds apart) {
  std::string text = "site " + site.site.str() + " is not settled from " + format_utc(*site.unsettled_from) + " on";
  if (site.unexplained > 0) return text + ": " + std::to_string(site.unexplained) + " differences are to be explained";
  return text + ": reconcile it, twice, " + std::to_string(apart.count()) + " s apart at least";
}

}  // namespace

async::Task<SiteOfMonth> Periods::site_of(SiteId site, ledger::MonthSpan span, const MonthView& view, Json& rests_on) {
  SiteOfMonth of{.site = site, .unsettled_from = {}, .explanation = {}, .signed_size = {}};
  auto made = co_await reconciliations_.reconciliations({.site = site,
                                                         .id = {},
                                                         .from = from_unix_seconds(span.from_s),
                                                         .to = from_unix_seconds(span.to_s),
                                                         .limit = kLooksOfMonth});
  if (!made) co_return std::unexpected(made.error());
  auto explained = co_await reconciliations_.explanation(site, view.period);
  if (!explained) co_return std::unexpected(explained.error());
  of.explanation = std::move(*explained);
  std::vector<ledger::Look> looks;
  for (const auto& one : *made) {
    looks.push_back(look_of(one));
    rests_on.push_back({{"differences", one.differing()},
                        {"from_s", looks.back().from_s},
                        {"id", one.id},
                        {"matched", one.matched},
                        {"site", site.str()},
                        {"to_s", looks.back().to_s},
                        {"unexplained", one.unexplained}});
  }
  if (!made->empty()) of.unexplained = made->front().unexplained;
  if (to_unix_seconds(clock_.now_utc()) < span.to_s) span.to_s = seen_twice(span, looks, options_.apart.count());
  if (const auto first = ledger::first_unsettled(span, looks, options_.apart.count()))
    of.unsettled_from = from_unix_seconds(*first);
  if (const auto key = options_.keys.find(site); key != options_.keys.end()) {
    auto cosigned = co_await ledger_.last_cosignatures();
    if (!cosigned) co_return std::unexpected(cosigned.error());
    for (const auto& [size, cosignature] : *cosigned) {
      const auto signature = ledger::parse_signature(cosignature.line);
      if (signature && ledger::names(*signature, key->second)) of.signed_size = size;
    }
  }
  const bool is_signed = view.month && view.month->closed && of.signed_size && *of.signed_size > *view.month->closed;
  of.grade = ledger::grade_of(span, looks, options_.apart.count(), is_signed);
  co_return of;
}

async::Task<MonthView> Periods::look(std::string period) {
  Json rests_on = Json::array();
  co_return co_await look(std::move(period), rests_on);
}

async::Task<MonthView> Periods::look(std::string period, Json& rests_on) {
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
    auto of = co_await site_of(site, *span, view, rests_on);
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
    Json rests_on = Json::array();
    auto of = co_await site_of(site, *span, view, rests_on);
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

async::Task<MonthView> Periods::close(std::string period, bool early) {
  const auto span = ledger::month_named(period);
  if (!span) co_return std::unexpected(span.error());
  const auto now = clock_.now_utc();
  auto unseen = co_await store_.unseen_records(period);  // before all else: what is booked later is seen at the commit
  if (!unseen) co_return std::unexpected(unseen.error());
  Json rests_on = Json::array();
  auto view = co_await look(period, rests_on);
  if (!view) co_return view;
  if (!view->month)
    co_return fail(ErrorKind::not_found, "NOT_OPENED",
                   "the period " + period + " was not opened: hansa ledger period open " + period);
  if (!view->month->closed) {
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
    auto closed = co_await store_.close_month({.period = period,
                                               .at = now,
                                               .sites = std::move(sites),
                                               .reconciliations = sha256_hex(canonical_json(rests_on)),
                                               .apart = options_.apart,
                                               .looked_at = unseen->second});
    if (!closed) co_return std::unexpected(closed.error());
    log_.write(ports::LogLevel::info, "a period of the ledger is closed",
               {{"period", period}, {"record", std::to_string(*closed)}});
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
