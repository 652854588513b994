// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/data_protection.hpp"

#include "broker/async/run_on.hpp"
#include "broker/core/time_text.hpp"

#include <boost/asio/post.hpp>

#include <utility>

namespace hansa::engine {

using domain::Holding;
using ports::Erasure;

namespace {

constexpr std::size_t kLoops = 3;
constexpr Milliseconds kFlushInterval{1'000};
constexpr Milliseconds kTryAgain{60'000};   // an erasure that could not go on
constexpr Milliseconds kReaderPause{1'000};
constexpr int kReaderPatience = 600;        // of those pauses: at each part a reader of the log may take so long
constexpr std::size_t kErasuresLookedAt = 10'000;

}  // namespace

DataProtection::DataProtection(Parts parts, ProtectionOptions options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      accesses_(parts_.scheduler, parts_.store,
                [this, strand = parts_.strand] {
                  boost::asio::post(strand, [here = std::weak_ptr(here_)] {
                    if (const auto still = here.lock()) (*still)->noted_.set();
                  });
                }),
      approved_(parts_.strand),
      noted_(parts_.strand),
      tasks_(parts_.strand, kLoops, [this](std::string_view name, const Error& error) {
        parts_.log.write(ports::LogLevel::error, "a loop of data protection ended",
                         {{"loop", std::string(name)}, {"code", error.code}, {"error", error.message}});
      }) {}

async::Task<> DataProtection::start() {
  for (auto started :
       {tasks_.spawn("retention", retention()), tasks_.spawn("erasures", erasures()), tasks_.spawn("accesses", bookkeeping())}) {
    if (!started) co_return started;
  }
  co_return Result<void>{};
}

async::Task<> DataProtection::rest(Milliseconds pause) {
  co_await parts_.scheduler.sleep_until(parts_.scheduler.now_monotonic() + pause);
  co_return Result<void>{};
}

async::Task<> DataProtection::retention() {
  (void)co_await rest(options_.first_after);
  for (;;) {
    (void)co_await expire_all();
    (void)co_await rest(options_.interval);
  }
}

async::Task<> DataProtection::bookkeeping() {
  for (;;) {
    if (!co_await noted_.wait()) co_return Result<void>{};
    (void)co_await rest(kFlushInterval);  // more may come
    if (auto flushed = co_await accesses_.flush(); !flushed && flushed.error().kind != ErrorKind::cancelled) {
      parts_.log.write(ports::LogLevel::error, "who has read whose data cannot be written",
                       {{"code", flushed.error().code}, {"error", flushed.error().message}});
      noted_.set();
    }
  }
}

async::Task<> DataProtection::erasures() {
  for (;;) {
    auto done = co_await erase_approved();
    if (done) {
      co_await approved_.wait();
      continue;
    }
    parts_.log.write(ports::LogLevel::error, "an erasure cannot go on; trying again",
                     {{"code", done.error().code}, {"error", done.error().message}, {"detail", done.error().detail}});
    co_await approved_.wait_until(parts_.scheduler, parts_.scheduler.now_monotonic() + kTryAgain);
  }
}

async::Task<std::int64_t> DataProtection::expire_one(const domain::RetentionItem& item, Seconds keep) {
  const auto now = parts_.scheduler.now_utc();
  std::int64_t after = 0, gone = 0;
  ports::SecretsLeft secrets;
  for (;;) {
    auto step = co_await parts_.store.expire(item.holding, now - keep, after, now);
    if (!step) co_return std::unexpected(step.error());
    gone += step->rows;
    for (const auto& [site, attempts] : step->secrets_left) secrets[site] += attempts;
    if (!step->next) break;
    after = *step->next;
    (void)co_await rest(options_.pause);
  }
  if (item.holding == Holding::tokens && parts_.forget_ended_tokens) parts_.forget_ended_tokens(now - keep);
  tell_of_secrets(secrets);
  if (gone > 0) {
    parts_.log.write(ports::LogLevel::info, "what was kept long enough is gone",
                     {{"holding", std::string(item.key)}, {"rows", std::to_string(gone)}, {"before", format_utc(now - keep)}});
  }
  co_return gone;
}

void DataProtection::tell_of_secrets(const ports::SecretsLeft& left) {
  for (const auto& [site, attempts] : left)
    parts_.log.write(
        ports::LogLevel::warning,
        "secrets of jobs that become nobody's may still lie at a site, which did not remove them: empty work_dir/secrets "
        "of its accounts there",
        {{"site", site.str()}, {"attempts", std::to_string(attempts)}});
}

async::Task<std::int64_t> DataProtection::expire_all() {
  std::int64_t gone = 0;
  for (const auto& item : domain::retention_table()) {
    const auto keep = options_.keep.find(item.holding);
    if (item.keeper != domain::Keeper::broker || keep == options_.keep.end() || keep->second == Seconds{0}) continue;
    auto ended = co_await expire_one(item, keep->second);
    if (!ended && ended.error().kind == ErrorKind::cancelled) co_return ended;
    if (!ended) {
      parts_.log.write(ports::LogLevel::error, "what was kept long enough cannot be removed; tomorrow again",
                       {{"holding", std::string(item.key)}, {"code", ended.error().code}, {"error", ended.error().message}});
      continue;
    }
    gone += *ended;
  }
  if (auto ended = co_await expire_copies(); !ended && ended.error().kind != ErrorKind::cancelled) {
    parts_.log.write(ports::LogLevel::error, "old copies of the database cannot be removed; tomorrow again",
                     {{"code", ended.error().code}, {"error", ended.error().message}});
  }
  auto wiped = co_await wipe_what_is_owed();
  if (!wiped && wiped.error().kind != ErrorKind::cancelled) {
    parts_.log.write(ports::LogLevel::error, "the unused space of the database cannot be gone over; tomorrow again",
                     {{"code", wiped.error().code}, {"error", wiped.error().message}});
  }
  if (!wiped) co_return std::unexpected(wiped.error());
  co_return gone;
}

async::Task<> DataProtection::expire_copies() {
  if (parts_.copies == nullptr || options_.keep_copies == Seconds{0}) co_return Result<void>{};
  auto ended = co_await parts_.copies->end(parts_.scheduler.now_utc() - options_.keep_copies);
  if (!ended) co_return std::unexpected(ended.error());
  for (const auto& copy : *ended)
    parts_.log.write(ports::LogLevel::info, "an old copy of the database is gone",
                     {{"copy", copy.path}, {"of", format_utc(copy.at)}});
  co_return Result<void>{};
}

/// Nothing is taken out of a copy: it goes as a whole.
async::Task<> DataProtection::tell_of_copies(ports::ErasureId id) {
  if (parts_.copies == nullptr) co_return Result<void>{};
  auto older = co_await parts_.copies->copies();
  if (!older) co_return std::unexpected(older.error());
  for (const auto& copy : *older) {
    const bool ends = options_.keep_copies > Seconds{0};
    parts_.log.write(ports::LogLevel::warning, "a copy of the database is older than an erasure",
                     {{"erasure", id.str()},
                      {"copy", copy.path},
                      {"goes_at", ends ? format_utc(copy.at + options_.keep_copies) : "when you delete it"}});
  }
  co_return Result<void>{};
}

/// Also what an earlier day, or an earlier life, has not come to.
async::Task<> DataProtection::wipe_what_is_owed() {
  const auto owed = co_await parts_.store.wipe_owed();
  if (!owed) co_return std::unexpected(owed.error());
  if (*owed == 0) co_return Result<void>{};
  if (auto wiped = co_await wipe(); !wiped) co_return wiped;
  co_return co_await parts_.store.wiped(*owed);
}

async::Task<> DataProtection::wipe() {
  int patience = kReaderPatience;
  for (std::int64_t page = 1;;) {
    auto wiped = co_await parts_.store.wipe_unused(page);
    if (!wiped && wiped.error().code == "LOG_IN_USE" && patience-- > 0) {
      (void)co_await rest(kReaderPause);
      continue;
    }
    if (!wiped) co_return std::unexpected(wiped.error());
    if (!wiped->next) co_return Result<void>{};
    page = *wiped->next;
    patience = kReaderPatience;
    (void)co_await rest(options_.pause);
  }
}

async::Task<> DataProtection::nothing_in_the_way(Principal person) {
  auto found = co_await parts_.store.in_the_way_of_erasing(person, parts_.scheduler.now_utc());
  if (!found) co_return std::unexpected(found.error());
  std::vector<Fault> faults;
  for (const auto& id : found->active)
    faults.push_back({.where = "job " + id.str(), .message = "is not over: wait for it, or hansa cancel " + id.str()});
  for (const auto& id : found->unbooked)
    faults.push_back({.where = "job " + id.str(),
                      .message = "has run, and its site has not told yet what it used: wait for it (three days at most)"});
  for (const auto& id : found->secrets)
    faults.push_back(
        {.where = "job " + id.str(),
         .message = "its secrets still lie at its site, which has not removed them: wait for it (seven days at most)"});
  for (const auto& id : found->datasets)
    faults.push_back({.where = "dataset " + id, .message = "is theirs: give it to somebody else, hansa data owner " + id});
  for (const auto& what : found->pending)
    faults.push_back({.where = what, .message = "was asked for by them and waits for a second person: approve or reject it"});
  for (const auto& id : found->break_glass)
    faults.push_back({.where = "break-glass " + id.str(),
                      .message = "is of theirs or about them, and not over: wait for it, or hansa break-glass end " + id.str()});
  if (faults.empty()) co_return Result<void>{};
  auto error = fail(ErrorKind::conflict, "PERSON_ACTIVE",
                    person.str() + " cannot be erased yet: " + faults.front().where + " " + faults.front().message);
  error.error().faults = std::move(faults);
  co_return error;
}

async::Task<Erasure> DataProtection::ask(Asking asking, Principal person) {
  if (auto free = co_await nothing_in_the_way(person); !free) co_return std::unexpected(free.error());
  Erasure erasure{.id = parts_.ids.next(),
                  .of = std::move(person),
                  .reason = std::move(asking.reason),
                  .by = std::move(asking.by),
                  .at = parts_.scheduler.now_utc()};
  if (auto asked = co_await parts_.store.ask_erasure(erasure); !asked) co_return std::unexpected(asked.error());
  parts_.log.write(ports::LogLevel::info, "an erasure waits for a second person",
                   {{"erasure", erasure.id.str()}, {"by", erasure.by.str()}});
  co_return erasure;
}

async::Task<Erasure> DataProtection::rule(Principal by, ports::ErasureId id, bool approve) {
  auto erasure = co_await parts_.store.erasure(id);
  if (!erasure) co_return erasure;
  if (approve && erasure->state == Erasure::State::pending) {
    if (auto free = co_await nothing_in_the_way(erasure->of); !free) co_return std::unexpected(free.error());
  }
  auto ruled = co_await parts_.store.rule_erasure(id, by, parts_.scheduler.now_utc(), approve);
  if (!ruled) co_return ruled;
  parts_.log.write(ports::LogLevel::info, approve ? "an erasure is approved" : "an erasure is rejected",
                   {{"erasure", id.str()}, {"by", by.str()}});
  if (approve) (void)co_await async::run_on(parts_.strand, wake());
  co_return ruled;
}

async::Task<> DataProtection::wake() {
  approved_.set();
  co_return Result<void>{};
}

async::Task<> DataProtection::erase_approved() {
  auto all = co_await parts_.store.erasures(kErasuresLookedAt);
  if (!all) co_return std::unexpected(all.error());
  Result<void> outcome;
  for (auto& erasure : *all) {
    if (erasure.state != Erasure::State::approved) continue;
    if (auto done = co_await erase(std::move(erasure)); !done) outcome = std::unexpected(done.error());  // the others go on
  }
  co_return outcome;
}

/// All that is not in the database.
async::Task<> DataProtection::forget(const Principal& person) {
  if (parts_.forget_tokens) {
    if (auto gone = co_await parts_.forget_tokens(person); !gone) co_return gone;
  }
  for (auto* files : parts_.files) {
    if (auto gone = co_await files->forget(person); !gone) co_return gone;
  }
  co_return Result<void>{};
}

async::Task<> DataProtection::erase(Erasure erasure) {
  if (!erasure.of.empty()) {
    if (auto gone = co_await forget(erasure.of); !gone) co_return gone;
    if (auto flushed = co_await accesses_.flush(); !flushed) co_return flushed;  // their name would come back with it
    std::vector<std::string> names;
    for (const auto& site : parts_.sites) {
      if (auto account = parts_.accounts.account_of(erasure.of, site); account && !account->empty())
        names.push_back(account->str());
    }
    if (parts_.forget_names) {  // before the store: it would get them back
      domain::Names called;
      called.add(erasure.of.str());
      for (const auto& name : names) called.add(name);
      if (auto gone = co_await parts_.forget_names(erasure.of, called); !gone) co_return gone;
    }
    auto facts = co_await parts_.facts.registered_facts();
    if (!facts) co_return std::unexpected(facts.error());
    std::vector<domain::RegisteredFact> forgotten;
    for (const auto& fact : *facts) {
      if (fact.key.subject.kind == domain::FactSubject::Kind::person && fact.key.subject.id == erasure.of.str())
        forgotten.push_back({.key = fact.key});
    }
    for (bool told = false;;) {
      // Whoever has a token of an issuer's could submit all the time.
      if (auto free = co_await nothing_in_the_way(erasure.of); !free) co_return free;
      if (!std::exchange(told, true)) {
        const auto found = co_await parts_.store.in_the_way_of_erasing(erasure.of, parts_.scheduler.now_utc());
        if (!found) co_return std::unexpected(found.error());
        tell_of_secrets(found->secrets_left);
      }
      auto more = co_await parts_.store.erase_some(erasure.id, names, parts_.scheduler.now_utc());
      if (!more) co_return std::unexpected(more.error());
      if (!*more) break;
      (void)co_await rest(options_.pause);
    }
    if (parts_.amend && !forgotten.empty()) parts_.amend(forgotten);
  }
  if (auto wiped = co_await wipe(); !wiped) co_return wiped;
  if (auto told = co_await tell_of_copies(erasure.id); !told) co_return told;
  if (auto ended = co_await parts_.store.end_erasure(erasure.id, parts_.scheduler.now_utc()); !ended) co_return ended;
  parts_.log.write(ports::LogLevel::info, "an erasure is done", {{"erasure", erasure.id.str()}});
  co_return Result<void>{};
}

async::Task<std::vector<HoldingReport>> DataProtection::report() {
  std::vector<HoldingReport> all;
  for (const auto& item : domain::retention_table()) {
    HoldingReport line{.item = &item};
    const auto keep = options_.keep.find(item.holding);
    if (keep != options_.keep.end() && keep->second > Seconds{0}) line.keep = keep->second;
    auto held = co_await parts_.store.held(item.holding);
    if (!held) co_return std::unexpected(held.error());
    line.held = *held;
    if (line.keep && held->oldest) line.next_end = *held->oldest + *line.keep;
    all.push_back(std::move(line));
  }
  co_return all;
}

}  // namespace hansa::engine
