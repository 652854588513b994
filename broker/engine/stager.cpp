// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/stager.hpp"

#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::engine {

using domain::Bytes;
using domain::TransferEnd;
using domain::TransferPhase;

namespace {

constexpr std::size_t kAtOnce = 16;               // transfers; what needs another one waits for the next round
constexpr Milliseconds kFirstQuestion{500};       // then half as often each time, up to EngineOptions::transfer_interval
constexpr Milliseconds kBeforeAnotherTry{60'000}, kLongestTryPause{3'600'000};
constexpr Milliseconds kAfterHopeless{900'000};   // somebody has to do something first
constexpr Milliseconds kAgain{1'000};             // when the store refuses
constexpr std::int32_t kSilent = 3;               // questions without an answer, before jobs are told so
constexpr std::int64_t kWorthMeasuring = 1 << 20; // bytes sent: less says nothing about a link
constexpr std::string_view kMover = "broker:mover";

std::string bytes_text(Bytes bytes) { return std::to_string(bytes.value) + " bytes"; }

domain::TransferStatus as_ended(const domain::TransferStatus& before, TransferEnd end, std::string message, UtcTime at) {
  auto status = before;
  status.phase = TransferPhase::ended;
  status.outcome = domain::TransferOutcome{.end = end, .message = std::move(message), .detail = {}, .at = at};
  return status;
}

/// The mover will say the same again: what it was asked is wrong.
bool is_hopeless(const Error& error) { return error.kind == ErrorKind::invalid_argument || error.kind == ErrorKind::conflict; }

/// The register will say the same again.
bool is_final(const Error& error) {
  return error.kind == ErrorKind::invalid_argument || error.kind == ErrorKind::not_found ||
         (error.kind == ErrorKind::conflict && error.code != "STALE_VERSION");
}

}  // namespace

async::Task<> Stager::start() {
  if (store_ == nullptr) co_return Result<void>{};
  auto speeds = co_await store_->link_speeds();
  if (!speeds) co_return std::unexpected(speeds.error());
  for (const auto& speed : *speeds) measured_[{speed.from, speed.to}] = speed.per_second;
  auto left = co_await store_->transfers_under_way();
  if (!left) co_return std::unexpected(left.error());
  for (auto& begun : *left) {
    const auto& transfer = begun.transfer;
    if (!context_.data.links.contains({transfer.from.site, transfer.to.site})) {
      context_.log.write(ports::LogLevel::warning, "a transfer is under way between sites that no link connects any more",
                         {{"transfer", transfer.id.str()},
                          {"dataset", transfer.dataset.str()},
                          {"from", transfer.from.site.str()},
                          {"to", transfer.to.site.str()},
                          {"remedy", "configure the link again"}});
      continue;
    }
    const Lane lane{transfer.dataset, transfer.to.site};
    domain::TransferStatus status{.id = transfer.id, .moved_by = transfer.id, .phase = {}, .progress = {}, .outcome = {}};
    courses_.emplace(lane, Course{.begun = std::move(begun),
                                  .status = std::move(status),
                                  .lines = {},
                                  .unneeded_since = context_.scheduler.now_monotonic(),
                                  .wake = std::make_unique<async::Event>(context_.strand)});
    if (auto spawned = context_.tasks.spawn("transfer", run(lane, false)); !spawned) co_return spawned;
  }
  co_return Result<void>{};
}

async::Task<> Stager::measure_room() {
  if (store_ == nullptr) co_return Result<void>{};
  for (const auto& [site, here] : context_.data.sites) {
    if (!here.staging || (!here.quota_bytes && !here.quota_files)) continue;
    auto occupied = co_await store_->occupied(site, *here.staging, context_.scheduler.now_utc());
    if (!occupied) co_return std::unexpected(occupied.error());
    occupied_[site] = *occupied;
  }
  co_return Result<void>{};
}

domain::Room Stager::room_at(const SiteId& site) const {
  domain::Room room;
  const auto* here = context_.data.site(site);
  if (here == nullptr) return room;
  ports::Occupied taken;
  if (const auto at = occupied_.find(site); at != occupied_.end()) taken = at->second;
  for (const auto& [lane, course] : courses_) {
    if (lane.second != site) continue;
    taken.bytes += course.begun.transfer.content.size;
    taken.files += course.begun.transfer.content.files;
  }
  if (here->quota_bytes) room.bytes = std::max(*here->quota_bytes - taken.bytes, Bytes{0});
  if (here->quota_files) room.files = std::max<std::int64_t>(*here->quota_files - taken.files, 0);
  return room;
}

Bytes Stager::speed_of(const SiteId& from, const SiteId& to) const {
  if (const auto at = measured_.find({from, to}); at != measured_.end()) return at->second;
  const auto link = context_.data.links.find({from, to});
  return link == context_.data.links.end() ? Bytes{1} : link->second.per_second;
}

routing::MissingData Stager::missing_at(const SiteId& site, const Dossier& dossier, Hearing& hearing, Sitting& sitting,
                                        UtcTime now) const {
  routing::MissingData missing;
  const auto* here = context_.data.site(site);
  Bytes bytes{0};
  std::int64_t files = 0;
  for (std::size_t number = 0; number < dossier.datasets.size(); ++number) {
    const auto& dataset = dossier.datasets[number];
    auto why = no_copy(dataset, site, now);
    if (!why) continue;
    const auto no_way = [&](const std::string& text) {
      missing.no_way = {std::string(kNoReplica), *why + text};
      return missing;
    };
    if (here == nullptr || !here->staging) return no_way(", and no folder is configured there that copies could be brought to");
    routing::MissingDataset lacks{.number = number,
                                  .bytes = dataset.content.size,
                                  .ruling = &hearing.stage_in(number, site, sitting.place(site)),
                                  .ways = {}};
    const auto way_from = [&](const SiteId& from) -> routing::Way& {
      const auto& ruling = hearing.stage_in(number, from, sitting.place(from));
      lacks.ways.push_back({.from = from,
                            .per_second = speed_of(from, site),
                            .ruling = &ruling,
                            .kept = kept_there(rules::Action::stage_in, ruling.obligations, {.datasets = {dataset}})});
      return lacks.ways.back();
    };
    if (const auto at = courses_.find({dataset.id, site}); at != courses_.end()) {
      const auto& course = at->second;
      auto& way = way_from(course.begun.transfer.from.site);
      lacks.under_way = true;
      lacks.bytes = std::max(dataset.content.size - course.status.progress.bytes, Bytes{0});
      if (course.status.progress.per_second.value > 0) way.per_second = course.status.progress.per_second;
      if (course.stop)
        way.not_now = {"TRANSFER_STOPPING", "a transfer of dataset " + dataset.id.str() + " to it is being stopped"};
      if (course.silent >= kSilent) {
        way.not_now = {"MOVER_SILENT",
                       "dataset " + dataset.id.str() + " is on its way, but its mover does not answer: " + course.trouble};
      }
    } else {
      for (const auto& replica : dataset.replicas) {
        const bool usable = domain::state_of(replica, now) == domain::ReplicaState::verified;
        if (!usable || !context_.data.links.contains({replica.site, site})) continue;
        auto& way = way_from(replica.site);
        const auto failed = failures_.find({dataset.id, replica.site, site});
        if (failed != failures_.end() && context_.scheduler.now_monotonic() < failed->second.until)
          way.not_now = failed->second.reason;
      }
      bytes += dataset.content.size;
      files += dataset.content.files;
    }
    if (lacks.ways.empty()) return no_way(", and no site that a link leads from has one");
    missing.datasets.push_back(std::move(lacks));
  }
  const auto room = room_at(site);
  if (room.bytes && bytes > *room.bytes) {
    missing.no_way = {"QUOTA_BYTES", "the quota of its folder for copies leaves " + bytes_text(*room.bytes) + "; the job needs " +
                                         bytes_text(bytes)};
  } else if (room.files && files > *room.files) {
    missing.no_way = {"QUOTA_INODES", "the quota of its folder for copies leaves " + std::to_string(*room.files) +
                                          " files; the job needs " + std::to_string(files)};
  }
  return missing;
}

void Stager::decided(const std::string& line, const domain::Decision& decision, const Dossier& dossier) {
  std::set<Lane> next;
  if (routing::placing(decision) == routing::Placing::staging) {
    const auto& site = *decision.chosen;
    const auto verdict = std::ranges::find(decision.verdicts, site, &domain::Verdict::site);
    for (const auto& source : verdict->stage_in->from) {
      const auto dataset = std::ranges::find(dossier.datasets, source.dataset, &domain::Dataset::id);
      const Lane lane{source.dataset, site};
      const auto course = courses_.find(lane);
      if (course != courses_.end()) {
        course->second.lines.insert(line);
        course->second.unneeded_since.reset();
        course->second.wake->set();
      } else if (dataset == dossier.datasets.end() || !begin(lane, *dataset, source.site, line)) {
        continue;
      }
      next.insert(lane);
    }
  }
  auto& before = needs_[line];
  for (const auto& lane : before) {
    if (next.contains(lane)) continue;
    const auto verdict = std::ranges::find(decision.verdicts, lane.second, &domain::Verdict::site);
    const bool forbidden = verdict == decision.verdicts.end() || verdict->source == "rules";
    release(line, lane, forbidden);
  }
  if (next.empty())
    needs_.erase(line);
  else
    before = std::move(next);
}

void Stager::dissolved(const std::string& line) {
  const auto at = needs_.find(line);
  if (at == needs_.end()) return;
  for (const auto& lane : at->second) release(line, lane, true);
  needs_.erase(at);
}

void Stager::release(const std::string& line, const Lane& lane, bool at_once) {
  const auto at = courses_.find(lane);
  if (at == courses_.end()) return;
  auto& course = at->second;
  course.lines.erase(line);
  if (!course.lines.empty()) return;
  course.unneeded_since = context_.scheduler.now_monotonic();
  course.stop = course.stop || at_once;
  course.wake->set();
}

bool Stager::begin(const Lane& lane, const domain::Dataset& dataset, const SiteId& from, const std::string& line) {
  const auto* source = dataset.replica_at(from);
  const auto* here = context_.data.site(lane.second);
  if (store_ == nullptr || source == nullptr || here == nullptr || !here->staging || courses_.size() >= kAtOnce) return false;
  // A copy that does not count any more may still lie there: then it is found, read, and counts again.
  const auto* old = dataset.replica_at(lane.second);
  const bool same_folder = old != nullptr && old->root == *here->staging;
  domain::Transfer transfer{
      .id = ids_.next(),
      .dataset = dataset.id,
      .content = dataset.content,
      .from = {.site = from, .root = source->root, .path = source->path},
      .to = {.site = lane.second, .root = *here->staging, .path = same_folder ? old->path : dataset.id.str()},
      .room = room_at(lane.second)};
  domain::TransferStatus status{
      .id = transfer.id, .moved_by = transfer.id, .phase = TransferPhase::not_seen, .progress = {}, .outcome = {}};
  courses_.emplace(lane, Course{.begun = {.transfer = std::move(transfer), .begun_at = context_.scheduler.now_utc()},
                                .status = std::move(status),
                                .lines = {line},
                                .unneeded_since = std::nullopt,
                                .wake = std::make_unique<async::Event>(context_.strand)});
  if (context_.tasks.spawn("transfer", run(lane, true))) return true;
  courses_.erase(lane);
  return false;
}

async::Task<> Stager::run(Lane lane, bool is_new) {
  const auto transfer = courses_.at(lane).begun.transfer;
  if (is_new) {
    auto recorded = co_await store_->begin_transfer(courses_.at(lane).begun);
    if (!recorded) {  // nothing has begun, and the next round is not to ask for the same at once
      const auto& error = recorded.error();
      note_failure({transfer.dataset, transfer.from.site, transfer.to.site}, {.code = error.code, .message = error.message},
                   true);
      forget_course(lane);
      arrived_();
      co_return std::unexpected(error);
    }
    context_.log.write(ports::LogLevel::info, "a dataset sets out",
                       {{"transfer", transfer.id.str()},
                        {"dataset", transfer.dataset.str()},
                        {"from", transfer.from.site.str()},
                        {"to", transfer.to.site.str()},
                        {"bytes", std::to_string(transfer.content.size.value)}});
  }
  auto status = co_await to_its_end(lane, is_new);
  if (!status) co_return std::unexpected(status.error());
  co_return co_await conclude(std::move(lane), std::move(*status));
}

async::Task<domain::TransferStatus> Stager::to_its_end(Lane lane, bool is_new) {
  auto& course = courses_.at(lane);  // until conclude()
  const auto& transfer = course.begun.transfer;
  auto& mover = *context_.data.links.at({transfer.from.site, transfer.to.site}).mover;
  bool known = !is_new;  // somebody may have told the mover of it
  bool heard_of = is_new;
  bool cancelled = false;
  auto pause = kFirstQuestion;
  while (true) {
    const auto now = context_.scheduler.now_monotonic();
    const bool stop = course.stop || (course.unneeded_since && now - *course.unneeded_since >= context_.options.transfer_linger);
    if (stop && !known)
      co_return as_ended(course.status, TransferEnd::cancelled, "nobody needs it", context_.scheduler.now_utc());
    auto told = Result<domain::TransferStatus>(course.status);
    if (stop && !cancelled) {
      auto asked = co_await mover.cancel(transfer.id, context_.call_deadline());
      if (!asked && asked.error().kind == ErrorKind::not_found)
        co_return as_ended(course.status, TransferEnd::cancelled, "nobody needs it", context_.scheduler.now_utc());
      cancelled = asked.has_value();
      if (!asked) told = std::unexpected(asked.error());
    } else {
      const bool nobody_at_it =
          course.status.phase == TransferPhase::not_seen || course.status.phase == TransferPhase::interrupted;
      const bool go_on = heard_of && nobody_at_it && !stop && !course.lines.empty();
      if (go_on) {
        known = true;  // whatever becomes of the call
        told = co_await mover.start(transfer, context_.call_deadline());
        pause = kFirstQuestion;
      } else {
        auto list = co_await mover.status({transfer.id}, context_.call_deadline());
        if (list && list->size() == 1)
          told = std::move(list->front());
        else
          told = std::unexpected(list ? fail(ErrorKind::internal, "MOVER_ANSWER", "the mover told of other transfers").error()
                                      : list.error());
      }
    }
    if (told) {
      heard_of = true;
      const bool was_silent = std::exchange(course.silent, 0) >= kSilent;
      course.status = std::move(*told);
      if (course.status.phase == TransferPhase::ended) co_return course.status;
      if (was_silent) arrived_();
    } else {
      const auto& error = told.error();
      context_.log.write(
          ports::LogLevel::warning, "a transfer's mover does not do as asked",
          {{"transfer", transfer.id.str()}, {"code", error.code}, {"error", error.message}, {"detail", error.detail}});
      if (is_hopeless(error))
        co_return as_ended(course.status, TransferEnd::tool_failed, error.message, context_.scheduler.now_utc());
      course.trouble = error.message;
      if (++course.silent == kSilent) arrived_();
    }
    co_await course.wake->wait_until(context_.scheduler, context_.scheduler.now_monotonic() + pause);
    pause = std::min(pause * 2, context_.options.transfer_interval);
  }
}

async::Task<> Stager::conclude(Lane lane, domain::TransferStatus status) {
  const auto transfer = courses_.at(lane).begun.transfer;
  auto outcome = *status.outcome;
  while (outcome.end == TransferEnd::moved) {
    auto registered = co_await register_copy(transfer, outcome.at);
    if (registered) break;
    const auto& error = registered.error();
    context_.log.write(ports::LogLevel::error, "a copy that has arrived is not registered",
                       {{"transfer", transfer.id.str()}, {"code", error.code}, {"error", error.message}});
    if (is_final(error)) {  // it lies there, and counts for nothing
      outcome.end = TransferEnd::destination_exists;
      outcome.message = "a copy is there, but the register does not take it: " + error.message;
      break;
    }
    co_await context_.scheduler.sleep_until(context_.scheduler.now_monotonic() + kAgain);
  }
  const bool moved = outcome.end == TransferEnd::moved;
  std::optional<ports::LinkSpeed> measured;
  if (moved && status.progress.sent.value >= kWorthMeasuring && status.progress.per_second.value > 0) {
    const auto before = speed_of(transfer.from.site, transfer.to.site);
    measured = {.from = transfer.from.site,
                .to = transfer.to.site,
                .per_second = {before.value - before.value / 4 + status.progress.per_second.value / 4}};
  }
  while (true) {
    auto kept = co_await store_->end_transfer(transfer.id, outcome, measured);
    if (kept) break;
    context_.log.write(ports::LogLevel::error, "the end of a transfer cannot be recorded yet",
                       {{"transfer", transfer.id.str()}, {"code", kept.error().code}, {"error", kept.error().message}});
    co_await context_.scheduler.sleep_until(context_.scheduler.now_monotonic() + kAgain);
  }
  if (measured) measured_[{measured->from, measured->to}] = measured->per_second;
  context_.log.write(moved || outcome.end == TransferEnd::cancelled ? ports::LogLevel::info : ports::LogLevel::warning,
                     "a transfer has ended",
                     {{"transfer", transfer.id.str()},
                      {"dataset", transfer.dataset.str()},
                      {"from", transfer.from.site.str()},
                      {"to", transfer.to.site.str()},
                      {"end", std::string(to_string(outcome.end))},
                      {"message", outcome.message},
                      {"detail", outcome.detail}});
  const std::tuple key{transfer.dataset, transfer.from.site, transfer.to.site};
  if (moved) {
    failures_.erase(key);
    auto& taken = occupied_[transfer.to.site];  // until it is measured again
    taken.bytes += transfer.content.size;
    taken.files += transfer.content.files;
  } else if (outcome.end != TransferEnd::cancelled)
    note_failure(key, {.code = std::string(to_string(outcome.end)), .message = outcome.message}, is_worth_repeating(outcome.end));
  forget_course(lane);
  arrived_();
  // Last: a record that is kept too long harms nobody.
  auto& mover = *context_.data.links.at({transfer.from.site, transfer.to.site}).mover;
  co_return co_await mover.forget({transfer.id}, context_.call_deadline());
}

void Stager::forget_course(const Lane& lane) {
  courses_.erase(lane);
  for (auto& [line, lanes] : needs_) lanes.erase(lane);
}

void Stager::note_failure(const std::tuple<DatasetId, SiteId, SiteId>& key, const domain::Reason& why, bool may_pass) {
  auto& failure = failures_[key];
  const auto first = may_pass ? kBeforeAnotherTry : kAfterHopeless;
  failure.until = context_.scheduler.now_monotonic() + std::min(first * (1 << std::min(failure.times, 6)), kLongestTryPause);
  ++failure.times;
  failure.reason = {why.code, "dataset " + std::get<0>(key).str() + " could not be brought from " + std::get<1>(key).str() +
                                  ": " + why.message};
}

async::Task<> Stager::register_copy(domain::Transfer transfer, UtcTime seen_at) {
  const auto& to = transfer.to;
  auto read = co_await context_.datasets->dataset(transfer.dataset);
  if (!read) co_return std::unexpected(read.error());
  auto dataset = std::move(*read);
  const auto now = context_.scheduler.now_utc();
  const auto* old = dataset.replica_at(to.site);
  const bool is_it = old != nullptr && old->root == to.root && old->path == to.path;
  if (is_it && old->verified && old->verified->at >= seen_at) co_return Result<void>{};  // by the process that died since
  if (old != nullptr && !is_it && domain::state_of(*old, now) == domain::ReplicaState::verified) co_return Result<void>{};

  const auto* here = context_.data.site(to.site);
  const auto expires_at = seen_at + (here == nullptr ? SiteData{}.lifetime : here->lifetime);
  ports::CatalogueStep step{.dataset = std::move(dataset), .changes = {}, .ruling = std::nullopt};
  const auto change = [&](domain::DatasetChangeBody body) -> Result<domain::ChangeId> {
    domain::DatasetChange made{.id = ids_.next(),
                               .of = transfer.dataset,
                               .version = step.dataset.version + 1,
                               .by = Principal(std::string(kMover)),
                               .at = now,
                               .reason = "transfer " + transfer.id.str() + " from " + transfer.from.site.str(),
                               .body = std::move(body)};  // read back byte by byte: no second person
    if (auto applied = domain::apply(step.dataset, made, now); !applied) return std::unexpected(applied.error());
    step.dataset.version = made.version;
    step.changes.push_back(std::move(made));
    return step.changes.back().id;
  };
  Result<domain::ChangeId> added = old == nullptr ? domain::ChangeId{} : old->added;
  if (old != nullptr && !is_it) added = change(domain::ReplicaRemoved{.site = to.site});
  if (added && !is_it) added = change(domain::ReplicaAdded{.site = to.site, .root = to.root, .path = to.path});
  if (added)
    added = change(
        domain::ReplicaVerified{.site = to.site, .replica = *added, .at = seen_at, .expires_at = std::max(expires_at, seen_at)});
  if (!added) co_return std::unexpected(added.error());
  co_return co_await context_.datasets->record_step(std::move(step));  // STALE_VERSION: the caller comes again
}

std::vector<TransferReport> Stager::under_way(const DatasetId& dataset) const {
  std::vector<TransferReport> found;
  for (const auto& [lane, course] : courses_) {
    if (lane.first == dataset)
      found.push_back({.transfer = course.begun.transfer, .begun_at = course.begun.begun_at, .status = course.status});
  }
  return found;
}

std::string data_path(const DataSetup& setup, const domain::Dataset& dataset, const SiteId& site) {
  const auto* here = setup.site(site);
  const auto* replica = dataset.replica_at(site);
  if (here == nullptr || replica == nullptr) return {};
  const auto root = here->roots.find(replica->root);
  return root == here->roots.end() ? std::string() : root->second + "/" + replica->path;
}

std::vector<std::pair<std::string, std::string>> data_environment(const DataSetup& setup, const Dossier& dossier,
                                                                  const SiteId& site) {
  std::vector<std::pair<std::string, std::string>> found;
  for (std::size_t i = 0; i < dossier.datasets.size(); ++i) {
    auto path = data_path(setup, dossier.datasets[i], site);
    if (!path.empty()) found.emplace_back("HANSA_DATA_" + std::to_string(i + 1), std::move(path));
  }
  return found;
}

}  // namespace hansa::engine
