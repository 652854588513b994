// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/site_words.hpp"

#include <algorithm>
#include <iterator>

namespace hansa::sim {

using namespace std::chrono_literals;
using namespace domain;

namespace {

constexpr int kLeftAloneAfter = 5;         // in a row; the broker's jitter is a fifth
constexpr Milliseconds kFirstPause = 24s, kLongestPause = 96s;
constexpr Milliseconds kFirstSlowDown = 5s, kLongestSlowDown = 300s;
constexpr Milliseconds kVetoStands = 55min;  // of an hour
constexpr Milliseconds kUnderWay = 75s;      // what was asked before may be answered and written for so long

enum class Word { answer, silence, nothing };

/// How the sites of the play say no, and how they are silent. That an answer could not be understood says so of a question only:
/// what was to be done otherwise is looked at again. None: no list has it.
std::optional<Word> word_of(std::string_view what, std::string_view code) {
  constexpr std::string_view kSilent[] = {"SITE_DOWN", "DEADLINE_EXCEEDED", "SUBMIT_UNKNOWN", "SITE_SILENT", "NO_HISTORY"};
  constexpr std::string_view kAnswers[] = {"SITE_REFUSED", "NO_SUCH_ACCOUNT", "BAD_CURSOR", "SITE_RULES_DENY"};
  if (std::ranges::find(kSilent, code) != std::end(kSilent)) return Word::silence;
  if (std::ranges::find(kAnswers, code) != std::end(kAnswers)) return Word::answer;
  if (code == "OVER_BUDGET") return Word::nothing;  // its own end's word, not the scheduler's
  if (code != "SITE_GARBAGE") return std::nullopt;
  constexpr std::string_view kQuestions[] = {"snapshot", "find", "status", "usage", "doctor"};
  return std::ranges::find(kQuestions, what) != std::end(kQuestions) ? Word::silence : Word::answer;
}

/// Which share of a budget a call takes; "": none.
std::string kind_of(std::string_view what) {
  if (what == "submit" || what == "cancel") return std::string(what);
  constexpr std::string_view kQueries[] = {"snapshot", "find", "status", "usage", "doctor"};
  return std::ranges::find(kQueries, what) != std::end(kQueries) ? "query" : "";
}

/// Jobs that are the same to a site's rules.
std::string kind_of(const Job& job) {
  auto text = job.owner.str() + " " + job.spec.project.str();
  for (const auto& dataset : job.spec.datasets) text += " " + dataset.str();
  return text;
}

bool is_quiet(const SitePlan& site, UtcTime now) {
  if (!site.quiet) return false;
  const auto minute = std::chrono::floor<std::chrono::minutes>(now.time_since_epoch()).count() % 1'440;
  return minute >= site.quiet->first && minute < site.quiet->second;
}

}  // namespace

void SiteWords::life_begins(int process) {
  process_ = process;
  silences_.clear();
  slowed_.clear();
  rules_.clear();
  just_vetoed_.clear();
  vetoes_.clear();
  looks_.clear();
}

// ---- calls

void SiteWords::calling(const bottle::Call& call) {
  auto& silence = silences_[call.site];
  if (silence.failures >= kLeftAloneAfter && call.at > silence.since) {
    if (call.what != "snapshot") complain_("I20", "site " + call.site + ", which does not answer, gets a " + call.what);
    if (call.at - silence.since < silence.pause && !std::exchange(silence.at_once, false))
      complain_("I20",
                "site " + call.site + " is probed again after " + std::to_string((call.at - silence.since).count()) + " ms");
    silence.probing = true;
  }
  const auto& site = sites_.at(call.site);
  if (call.what == "submit" && is_quiet(site.plan, time_.now_utc()))
    complain_("I21", "site " + call.site + " gets a job in its quiet hours");
  const auto slowed = slowed_.find({call.site, kind_of(call.what)});
  if (slowed != slowed_.end() && call.at < slowed->second.until) {
    auto& [noted_at, until, pause, at_that_moment] = slowed->second;
    if (call.at > noted_at || ++at_that_moment > site.budget.concurrent_calls)
      complain_("I28", "site " + call.site + ", whose own end has had too much, gets a " + call.what + " " +
                           std::to_string((until - call.at).count()) + " ms too early");
  }
  if (site.plan.persons && call.people.size() > 1)
    complain_("I29", "a " + call.what + " at " + call.site + ", where each logs in as themselves, is for several people");
}

void SiteWords::answered(const std::string& site, int process, std::string_view what, const Error* error) {
  if (process != process_) return;  // one that is gone
  const auto word = error == nullptr ? std::optional(Word::answer) : word_of(what, error->code);
  if (!word)
    return complain_("I20", "site " + site + " ends a " + std::string(what) + " with " + error->code + ", which no list has");
  const auto now = time_.now_monotonic();
  const auto kind = kind_of(what);
  auto& slowed = slowed_[{site, kind}];
  if (*word == Word::nothing) {
    if (what == "snapshot") silences_[site].at_once = true;  // a probe that has told nothing
    if (kind.empty() || slowed.until > now) return;  // one of those that were under way
    const auto pause = std::clamp(slowed.pause * 2, kFirstSlowDown, kLongestSlowDown);
    slowed = {.noted_at = now, .until = now + pause, .pause = pause};
    return;
  }
  // That one person was not heard says nothing of the site.
  if (error != nullptr && sites_.at(site).plan.persons && what != "snapshot") return;
  if (slowed.until <= now) slowed.pause = 0ms;
  count_silence(site, what, *word == Word::silence);
}

void SiteWords::count_silence(const std::string& site, std::string_view what, bool silent) {
  auto& silence = silences_[site];
  if (!silent) {
    silence.failures = 0;
    silence.probing = silence.at_once = false;
    return;
  }
  ++silence.failures;
  if (silence.failures < kLeftAloneAfter) return;
  // Others were under way when it was left alone: only a probe's failure makes the pause longer.
  if (silence.failures == kLeftAloneAfter) {
    silence.pause = kFirstPause;
  } else if (what == "snapshot" && std::exchange(silence.probing, false)) {
    silence.pause = std::min(silence.pause * 2, kLongestPause);
  } else {
    return;
  }
  silence.since = time_.now_monotonic();
}

// ---- the rules of a site's own end

void SiteWords::rules_told(const std::string& site, int process, const std::string& rules) {
  if (process != process_) return;
  rules_[site] = rules;
  std::erase_if(vetoes_, [&](const auto& entry) { return entry.first.first == site && entry.second.rules != rules; });
}

void SiteWords::vetoed(const std::string& site, int process, const JobId& job) {
  if (process == process_) just_vetoed_[job] = site;
}

// ---- what is found at a site

void SiteWords::looked_over(const std::string& site, std::vector<Finding> findings) {
  looks_[site] = {.findings = std::move(findings), .at = time_.now_utc(), .known_since = time_.now_monotonic()};
}

void SiteWords::look_acknowledged(const std::string& site) {
  const auto look = looks_.extract(site);
  if (!look.empty() && told_is_kept_) known_[site] = look.mapped();
}

void SiteWords::site_recorded(const SiteState& state) {
  const auto at = looks_.find(state.id.str());
  if (at == looks_.end() || !state.doctor || state.doctor->at < at->second.at) return;
  known_[state.id.str()] = at->second;
  looks_.erase(at);
}

void SiteWords::disk_changed(bool full) {
  if (full)
    told_is_kept_ = false;
  else
    disk_well_since_ = time_.now_monotonic();
}

// ---- what the broker writes

void SiteWords::recorded(const Job& job, const EventBody& body) {
  if (const auto* intent = std::get_if<AttemptIntended>(&body)) check_goes(job, *intent);
  check_knows(job, body);
  const auto* ended = std::get_if<AttemptEnded>(&body);
  if (ended == nullptr || ended->outcome != Outcome::never_started) return;
  const auto vetoed = just_vetoed_.extract(job.id);
  if (!vetoed.empty())
    vetoes_[{vetoed.mapped(), kind_of(job)}] = {.since = time_.now_monotonic(), .rules = rules_[vetoed.mapped()]};
}

void SiteWords::check_goes(const Job& job, const AttemptIntended& intent) {
  const auto now = time_.now_monotonic();
  const auto& site = intent.site.str();
  const auto veto = vetoes_.find({site, kind_of(job)});
  if (veto != vetoes_.end() && veto->second.since < now && now - veto->second.since < kVetoStands)
    complain_("I28", "job " + job.id.str() + " goes to " + site + ", whose own rules have denied such a job " +
                         std::to_string((now - veto->second.since).count()) + " ms before");
  const auto known = known_.find(site);
  if (known == known_.end() || known->second.known_since >= now) return;
  for (const auto& finding : known->second.findings) {
    if (!finding.bars || (!finding.subject.empty() && finding.subject != intent.account.str())) continue;
    const Milliseconds believed = finding.reading ? 1h : 24h;
    if (time_.now_utc() - known->second.at < believed - 1min)
      complain_("I27", "job " + job.id.str() + " goes to " + site + ", where " + finding.check + " was found: " + finding.value);
  }
}

/// How a job ended where nobody could ask about it.
void SiteWords::check_knows(const Job& job, const EventBody& body) {
  const auto* attempt = job.live_attempt();
  if (attempt == nullptr || attempt->state != AttemptState::bound) return;
  const auto* seen = std::get_if<TasksSeen>(&body);
  const bool tells =
      std::holds_alternative<AttemptEnded>(body) ||
      (seen != nullptr && std::ranges::any_of(seen->runs, [](const Run& run) { return run.ended_at.has_value(); }));
  const auto& site = sites_.at(attempt->site.str());
  if (!tells || !site.plan.persons || !site.lapsed.contains(job.owner.str())) return;
  const auto for_long = time_.now_monotonic() - std::max(site.lapsed_at.at(job.owner.str()), disk_well_since_);
  if (for_long > kUnderWay)
    complain_("I29", "job " + job.id.str() + " has ended, says the broker, at " + site.plan.id +
                         ", where nobody could log in for " + std::to_string(for_long.count()) + " ms to ask");
}

}  // namespace hansa::sim
