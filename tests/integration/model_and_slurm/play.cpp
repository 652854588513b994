// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/model_and_slurm/play.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>

namespace hansa::held_against {

using domain::Outcome;
using ports::JobStatus;
using ports::Phase;

namespace {

constexpr Milliseconds kLookEvery{500};

std::string_view word(Phase phase) {
  switch (phase) {
    case Phase::queued: return "queued";
    case Phase::running: return "running";
    case Phase::finishing: return "finishing";
    case Phase::ended: return "ended";
    case Phase::not_seen: return "not seen";
  }
  return "?";
}

std::string number(const auto& value) { return value ? std::to_string(*value) : "-"; }

/// What a broker makes decisions from; not the words for people, nor times.
std::string text_of(const JobStatus& status) {
  std::string text(word(status.phase));
  if (status.phase == Phase::queued && status.pending_reason.contains("Held")) text += ", held";
  for (const auto* reason : {"Dependency", "PartitionNodeLimit", "PartitionTimeLimit"}) {
    if (status.phase == Phase::queued && status.pending_reason == reason) text += std::string(", ") + reason;
  }
  if (status.phase != Phase::not_seen) text += ", run " + std::to_string(status.run);
  if (status.phase != Phase::ended) return text;
  text += status.outcome ? ", " + std::string(to_string(*status.outcome)) : ", no outcome";
  text += ", exit " + number(status.exit_code);
  // Slurm tells the signal that ended it at its limit from some moment on only; of what was cancelled only if the batch script's
  // end is known before the node's epilog is through.
  if (status.outcome == Outcome::cancelled && status.signal.value_or(SIGTERM) == SIGTERM) {
    text += ", signal 15 or none";
  } else if (status.outcome != Outcome::timed_out) {
    text += ", signal " + number(status.signal);
  }
  text += status.started_at ? ", had started" : ", had not started";
  if (!status.ended_at) text += ", no end";
  if (status.started_at && status.ended_at && *status.ended_at < *status.started_at) text += ", ENDED BEFORE IT STARTED";
  text += ", reason " + (status.reason.code.empty() ? "-" : status.reason.code);
  return text;
}

std::string text_of(const domain::UsageRecord& record) {
  std::string text = record.account.str() + " on " + record.scheduler_account + " in " + record.queue.str() + ", " +
                     record.site_state.substr(0, record.site_state.find(' ')) + ", exit " + number(record.exit_code);
  // What was cancelled in the queue has a start in sacct now and then, and an allocation: of no second.
  if (record.site_state.starts_with("CANCELLED") && record.elapsed.count() == 0) {
    return text + (record.core_seconds.value == 0 ? ", no second" : ", CORE-SECONDS OF NO SECOND");
  }
  if (record.started_at) {
    const bool in_order = record.submitted_at <= *record.started_at && *record.started_at <= record.ended_at;
    text += in_order ? ", submitted, started, ended" : ", TIMES OUT OF ORDER";
    if (record.elapsed != std::chrono::floor<Seconds>(record.ended_at - *record.started_at))
      text += ", ELAPSED IS NOT END LESS START";
  } else {
    text += ", never started";
  }
  text += ", " + std::to_string(record.nodes) + " nodes, " + std::to_string(record.cores) + " cores";
  if (record.core_seconds.value != record.elapsed.count() * record.cores) text += ", CORE-SECONDS ARE NOT CORES BY SECONDS";
  return text;
}

/// Whether a client gives up before its deadline or is cut off at it, is a matter of seconds.
std::string text_of(const Error& error) {
  if (error.kind == ErrorKind::unavailable || error.kind == ErrorKind::deadline_exceeded) return "no answer";
  return std::string(to_string(error.kind)) + " " + error.code;
}

std::string key_of(const domain::UsageRecord& record) {
  const auto start = record.started_at ? to_unix_seconds(*record.started_at) : -1;
  return record.site_job_id.str() + ' ' + std::to_string(to_unix_seconds(record.submitted_at)) + ' ' + std::to_string(start);
}

}  // namespace

// ---- what all histories of a site share

Board::Board(Stage& s) : stage(s), ids_(s.scheduler(), random_) {}

std::size_t Board::watch(ports::SiteJob job) {
  seen_.push_back({.id = job.id, .site_state = {}, .pending_reason = {}, .reason = {}});
  jobs_.push_back(std::move(job));
  return jobs_.size() - 1;
}

awaitable<void> Board::look(const bool& open) {
  auto& scheduler = stage.scheduler();
  while (open) {
    co_await scheduler.sleep_until(scheduler.now_monotonic() + kLookEvery);
    const auto statuses = co_await stage.connector().status(jobs_, async::Deadline::in(scheduler, Seconds{20}));
    if (!statuses) continue;
    for (std::size_t i = 0; i < statuses->size(); ++i) seen_[i] = (*statuses)[i];
  }
}

awaitable<void> Board::read_usage() {
  for (bool complete = false; !complete;) {
    const auto page = co_await stage.connector().usage(cursor_, async::Deadline::in(stage.scheduler(), Seconds{20}));
    if (!page) throw std::runtime_error("usage: " + page.error().message);
    for (const auto& record : page->records) usage_.insert_or_assign(key_of(record), record);
    cursor_ = page->next;
    complete = page->complete;
  }
}

std::vector<domain::UsageRecord> Board::usage_of(const Tag& tag) const {
  std::vector<domain::UsageRecord> records;
  for (const auto& [key, record] : usage_) {
    if (record.tag == tag) records.push_back(record);
  }
  const auto id = [](const auto& record) { return std::stoll(record.site_job_id.str()); };
  std::ranges::sort(records, [&](const auto& a, const auto& b) {
    return std::tuple(id(a), a.ended_at, !a.started_at) < std::tuple(id(b), b.ended_at, !b.started_at);
  });
  return records;
}

// ---- one history

void Play::note(std::string_view what, std::string_view seen) {
  lines_.push_back(std::string(what) + ": " + std::string(seen));
  if (std::getenv("HANSA_VERBOSE") != nullptr) std::fprintf(stderr, "%s: %s\n", name_.c_str(), lines_.back().c_str());
}

ports::SubmitRequest Play::request(const Work& work, std::string_view queue) {
  ports::SubmitRequest request;
  request.job = board_.ids().next();
  request.tag = domain::make_tag(request.job, request.attempt);
  request.person = Principal("local:alice");
  request.account = LocalAccount("alice");
  request.scheduler_account = "proj1";
  request.queue = QueueName(queue);
  request.spec.name = "history";
  request.spec.time_limit = Seconds{600};
  const auto seconds = std::to_string(work.runs.count());
  const auto code = std::to_string(work.exit_code);
  const auto signal = std::to_string(work.signal);
  // The model reads the comments, a shell the rest.
  request.payload.script = "#!/bin/bash\n#model run=" + seconds + "s exit=" + code +
                           (work.signal > 0 ? " signal=" + signal : "") + "\n#model-out started\necho started\nsleep " + seconds +
                           "\n" + (work.signal > 0 ? "kill -" + signal + " $$\nsleep 5\n" : "") + "exit " + code + "\n";
  return request;
}

ports::SiteJob Play::expected(const ports::SubmitRequest& request) {
  return {.id = {},
          .tag = request.tag,
          .account = request.account,
          .person = request.person,
          .intended_at = stage().scheduler().now_utc()};
}

awaitable<ports::SiteJob> Play::submit(ports::SubmitRequest request) {
  auto job = expected(request);
  const auto receipt = co_await connector().submit(std::move(request), in(Seconds{20}));
  note("submit", receipt ? "a receipt" : text_of(receipt.error()));
  if (receipt) {
    job.id = receipt->site_job_id;
    jobs_.emplace_back(job, board_.watch(job));
  }
  co_return job;
}

awaitable<void> Play::pause(Milliseconds time) {
  auto& scheduler = stage().scheduler();
  co_await scheduler.sleep_until(scheduler.now_monotonic() + time);
}

awaitable<bool> Play::wait(std::function<bool()> condition, Seconds patience) {
  const auto deadline = in(patience);
  while (!condition()) {
    if (deadline.passed(stage().scheduler())) co_return false;
    co_await pause(Milliseconds{100});
  }
  co_return true;
}

std::size_t Play::place_of(const ports::SiteJob& job) {
  const auto at = std::ranges::find_if(jobs_, [&](const auto& known) { return known.first.id == job.id; });
  if (at == jobs_.end()) throw std::runtime_error(name_ + ": no such job of this history");
  return at->second;
}

awaitable<JobStatus> Play::until(ports::SiteJob job, Phase phase, Seconds patience) {
  const auto place = place_of(job);
  const bool reached = co_await wait([&] { return board_.seen(place).phase == phase; }, patience);
  note(reached ? "then" : "WAITED IN VAIN for " + std::string(word(phase)), text_of(board_.seen(place)));
  co_return board_.seen(place);
}

awaitable<void> Play::until_it_prints(ports::SiteJob job) {
  for (const auto deadline = in(Seconds{60}); !deadline.passed(stage().scheduler());) {
    const auto chunk = co_await connector().read_output(job, ports::Stream::out, 0, 100, in(Seconds{20}));
    if (chunk && !chunk->bytes.empty()) {
      note("prints", chunk->bytes.substr(0, chunk->bytes.find('\n')));
      co_return co_await pause(Seconds{2});
    }
    co_await pause(Milliseconds{200});
  }
  note("prints", "WAITED IN VAIN");
}

awaitable<void> Play::ask(std::string_view what, ports::SiteJob job) {
  const auto statuses = co_await connector().status({job}, in(Seconds{20}));
  note(what, statuses ? text_of(statuses->front()) : text_of(statuses.error()));
}

awaitable<void> Play::find(std::string_view what, ports::SiteJob job) {
  auto found = co_await connector().find({job}, in(Seconds{20}));
  if (!found) co_return note(what, text_of(found.error()));
  std::string text = std::string(found->queue_seen ? "queue seen" : "queue NOT seen") +
                     (found->history_seen ? ", history seen" : ", history NOT seen");
  std::ranges::sort(found->sightings, {}, [](const auto& s) { return std::stoll(s.status.id.str()); });
  for (const auto& sighting : found->sightings) {
    text += "; " + sighting.account.str() + "'s at " + sighting.cluster + ": " + text_of(sighting.status);
    if (sighting.submitted_at < job.intended_at - Seconds{2}) text += ", OLDER THAN ITS INTENT";
  }
  note(what, text);
}

awaitable<void> Play::cancel(ports::SiteJob job, ports::CancelWhen when) {
  const auto outcome = co_await connector().cancel(job, when, in(Seconds{12}));
  note(when == ports::CancelWhen::always ? "cancel" : "cancel only while pending",
       outcome ? std::string(to_string(*outcome)) : text_of(outcome.error()));
}

awaitable<void> Play::seal(ports::SiteJob job) {
  const auto seal =
      co_await connector().seal({.tag = job.tag, .task_index = 0, .account = job.account, .person = job.person}, in(Seconds{20}));
  if (!seal) co_return note("seal", text_of(seal.error()));
  note("seal", seal->sealed ? "won" : seal->holder == job.id ? "its job was first" : "ANOTHER JOB was first");
}

void Play::note_usage() {
  std::vector<Tag> tags;
  for (const auto& [job, place] : jobs_) {
    if (std::ranges::find(tags, job.tag) == tags.end()) tags.push_back(job.tag);
  }
  for (const auto& tag : tags) {
    for (const auto& record : board_.usage_of(tag)) note("booked", text_of(record));
  }
}

awaitable<void> Play::ask_again() {
  for (const auto& [job, place] : jobs_) {
    if (board_.seen(place).phase != Phase::ended) continue;
    co_await stage().wait_until_forgotten(job.id);
    co_await ask("once forgotten", job);
    co_await find("once forgotten, looked for", job);
    co_await cancel(job);
  }
}

awaitable<void> together(Stage& stage, std::vector<awaitable<void>> works) {
  std::size_t left = works.size();
  std::exception_ptr failure;
  for (auto& work : works) {
    boost::asio::co_spawn(stage.executor(), std::move(work), [&](const std::exception_ptr& e) {
      --left;
      if (e && !failure) failure = e;
    });
  }
  auto& scheduler = stage.scheduler();
  while (left > 0) co_await scheduler.sleep_until(scheduler.now_monotonic() + Milliseconds{100});
  if (failure) std::rethrow_exception(failure);
}

}  // namespace hansa::held_against
