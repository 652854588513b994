// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/remote_connector.hpp"

#include "broker/domain/site_checks.hpp"
#include "connectors/protocol/codec.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace hansa::connectors::remote {

using ports::Deadline;
using ports::SiteJob;
using ports::Task;
namespace method = protocol::method;

namespace {

constexpr std::size_t kRowsAtATime = 8'000;  // some 2 MB of answer

/// How many of `jobs` from `begin` on have at most so many rows in an answer: one each, and each task of an array. At least one.
std::size_t some_of(const std::vector<SiteJob>& jobs, std::size_t begin, std::size_t rows) {
  auto end = begin;
  for (std::size_t sum = 0; end < jobs.size(); ++end) {
    sum += 1 + jobs[end].tasks.size();
    if (sum > rows && end > begin) break;
  }
  return end - begin;
}

std::vector<SiteJob> part_of(const std::vector<SiteJob>& jobs, std::size_t begin, std::size_t count) {
  const auto from = jobs.begin() + static_cast<std::ptrdiff_t>(begin);
  return {from, from + static_cast<std::ptrdiff_t>(count)};
}

std::unexpected<Error> too_late() {
  return fail(ErrorKind::deadline_exceeded, "DEADLINE_EXCEEDED", "the time for this call was over before it left for the site");
}

/// An answer of the far end's that is none.
std::unexpected<Error> not_understood(const SiteId& site, Error error) {
  return fail(ErrorKind::internal, "BAD_ANSWER", "what site " + site.str() + " answered is not understood: " + error.message,
              std::move(error.detail));
}

bool is_too_large(const Error& error) { return error.kind == ErrorKind::too_large; }

}  // namespace

RemoteConnector::RemoteConnector(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random,
                                 ports::Log& log, std::unique_ptr<Carrier> carrier, LinkOptions options)
    : scheduler_(scheduler),
      site_(options.site),
      link_(
          std::move(executor), scheduler, random, log, std::move(carrier),
          [this](std::string name, Json params, Deadline) { return serve(std::move(name), std::move(params)); },
          std::move(options)) {}

/// All that a site's end may ask of us: the code of a job that it was just given.
Task<Json> RemoteConnector::serve(std::string name, Json params) {
  if (name != method::read_code)
    co_return fail(ErrorKind::invalid_argument, protocol::kMethodNotFound, "a broker answers read_code only");
  const auto wanted = protocol::read_code_piece_request(params);
  if (!wanted) co_return std::unexpected(wanted.error());
  const auto code = code_.find(wanted->code);
  if (code == code_.end())
    co_return fail(ErrorKind::not_found, "CODE_NOT_HERE",
                   wanted->code.str() + " is not the code of a job that is being submitted there");
  const auto read = code->second.read;
  const auto bytes = co_await read(wanted->offset, wanted->limit);
  if (!bytes) co_return std::unexpected(bytes.error());
  co_return protocol::bytes_to_json(*bytes);
}

Task<Json> RemoteConnector::ask(std::string_view name, Json params, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  const auto connection = co_await link_.connection(deadline);
  if (!connection) co_return std::unexpected(connection.error());
  auto answer = co_await connection->session->call(name, std::move(params), deadline);
  if (!answer) answer.error() = told_by_the_site(std::move(answer.error()));
  if (!answer && answer.error().kind == ErrorKind::unknown_outcome) {
    auto& error = answer.error();
    error.kind = deadline.passed(scheduler_) ? ErrorKind::deadline_exceeded : ErrorKind::unavailable;
    error.retryable = true;
  }
  co_return answer;
}

Task<> RemoteConnector::ready(Deadline deadline) {
  const auto connection = co_await link_.connection(deadline);
  if (!connection) co_return std::unexpected(connection.error());
  co_return Result<void>{};
}

// ---- submission

Task<ports::SubmitReceipt> RemoteConnector::submit(ports::SubmitRequest request, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  const auto connection = co_await link_.connection(deadline);
  if (!connection) co_return std::unexpected(connection.error());
  if (!request.code.id.empty() && !connection->peer.code) {
    co_return fail(ErrorKind::unavailable, "CODE_NOT_TAKEN",
                   "what serves site " + site_.str() + " (" + connection->peer.name + ") takes no code of jobs");
  }
  if (!request.spec.array.empty() && !connection->peer.arrays) {
    co_return fail(ErrorKind::invalid_argument, "NO_SUCH_ARRAY",
                   "what serves site " + site_.str() + " (" + connection->peer.name + ") runs no job arrays");
  }
  if (!request.secrets.empty() && !connection->peer.secrets) {
    co_return fail(ErrorKind::invalid_argument, "NO_SECRETS_THERE",
                   "what serves site " + site_.str() + " (" + connection->peer.name + ") takes no secrets for jobs");
  }
  if (!connection->peer.facts) request.facts.reset();  // of people no more is told than somebody asks for
  struct Offered {
    std::multimap<CodeId, ports::Code>& all;
    std::multimap<CodeId, ports::Code>::iterator at;
    ~Offered() {
      if (at != all.end()) all.erase(at);
    }
  } offered{code_, request.code.id.empty() ? code_.end() : code_.emplace(request.code.id, request.code)};
  const auto answer = co_await connection->session->call(method::submit, protocol::to_json(request), deadline);
  if (!answer) co_return std::unexpected(told_by_the_site(answer.error()));
  auto receipt = protocol::read_receipt(*answer);
  if (receipt) co_return receipt;
  co_return fail(ErrorKind::unknown_outcome, "BAD_ANSWER",
                 "site " + site_.str() + " answered, but no job id: " + receipt.error().message);
}

// ---- questions

Task<domain::SiteSnapshot> RemoteConnector::snapshot(Deadline deadline) {
  const auto taken_at = scheduler_.now_utc();
  const auto answer = co_await ask(method::snapshot, Json::object(), deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto snapshot = protocol::read_snapshot(*answer);
  if (!snapshot) co_return not_understood(site_, std::move(snapshot.error()));
  const auto connection = co_await link_.connection(deadline);
  if (!connection) co_return std::unexpected(connection.error());
  if (!connection->peer.arrays) snapshot->arrays.reset();
  snapshot->taken_at = taken_at;
  co_return snapshot;
}

Task<std::vector<ports::JobStatus>> RemoteConnector::status_of_some(std::vector<SiteJob> jobs, Deadline deadline) {
  const auto answer = co_await ask(method::status, protocol::jobs_to_json(jobs), deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto statuses = protocol::read_statuses(*answer, jobs.size());
  if (!statuses) co_return not_understood(site_, std::move(statuses.error()));
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if ((*statuses)[i].id != jobs[i].id)
      co_return not_understood(
          site_,
          {.kind = ErrorKind::internal, .code = "BAD_ANSWER", .message = "the states are not in the order of the question"});
  }
  co_return statuses;
}

Task<std::vector<ports::JobStatus>> RemoteConnector::status(std::vector<SiteJob> jobs, Deadline deadline) {
  std::vector<ports::JobStatus> all;
  auto rows = kRowsAtATime;
  while (all.size() < jobs.size()) {
    const auto count = some_of(jobs, all.size(), rows);
    auto some = co_await status_of_some(part_of(jobs, all.size(), count), deadline);
    if (!some && is_too_large(some.error()) && count > 1) {
      rows /= 2;
      continue;
    }
    if (!some) co_return std::unexpected(std::move(some.error()));
    std::ranges::move(*some, std::back_inserter(all));
  }
  co_return all;
}

Task<ports::FindResult> RemoteConnector::find_some(std::vector<SiteJob> wanted, Deadline deadline) {
  const auto answer = co_await ask(method::find, protocol::jobs_to_json(wanted), deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto found = protocol::read_found(*answer);
  if (!found) co_return not_understood(site_, std::move(found.error()));
  std::unordered_set<Tag> tags;
  for (const auto& job : wanted) tags.insert(job.tag);
  std::erase_if(found->sightings, [&](const auto& sighting) { return !tags.contains(sighting.tag); });
  co_return found;
}

Task<ports::FindResult> RemoteConnector::find(std::vector<SiteJob> wanted, Deadline deadline) {
  ports::FindResult all{.sightings = {}, .queue_seen = true, .history_seen = true};
  auto rows = kRowsAtATime;
  for (std::size_t at = 0; at < wanted.size();) {
    const auto count = some_of(wanted, at, rows);
    auto some = co_await find_some(part_of(wanted, at, count), deadline);
    if (!some && is_too_large(some.error()) && count > 1) {
      rows /= 2;
      continue;
    }
    if (!some) co_return std::unexpected(std::move(some.error()));
    std::ranges::move(some->sightings, std::back_inserter(all.sightings));
    all.queue_seen = all.queue_seen && some->queue_seen;
    all.history_seen = all.history_seen && some->history_seen;
    at += count;
  }
  co_return all;
}

Task<ports::UsagePage> RemoteConnector::usage(ports::UsageCursor from, Deadline deadline) {
  const auto answer = co_await ask(method::usage, protocol::to_json(from), deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto page = protocol::read_usage_page(*answer, site_);
  if (!page) co_return not_understood(site_, std::move(page.error()));
  co_return page;
}

// ---- interventions

Task<domain::CancelOutcome> RemoteConnector::cancel(SiteJob job, ports::CancelWhen when, Deadline deadline) {
  const auto answer =
      co_await ask(method::cancel, protocol::to_json(protocol::CancelRequest{.job = std::move(job), .when = when}), deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto outcome = protocol::read_cancel_outcome(*answer);
  if (!outcome) co_return not_understood(site_, std::move(outcome.error()));
  co_return outcome;
}

Task<ports::SealOutcome> RemoteConnector::seal(ports::Fence fence, Deadline deadline) {
  const auto answer = co_await ask(method::seal, protocol::to_json(fence), deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto outcome = protocol::read_seal_outcome(*answer);
  if (!outcome) co_return not_understood(site_, std::move(outcome.error()));
  co_return outcome;
}

Task<> RemoteConnector::remove_secrets(SiteJob job, std::vector<std::string> files, Deadline deadline) {
  const auto connection = co_await link_.connection(deadline);
  if (!connection) co_return std::unexpected(connection.error());
  // Today: who served the site before may have taken some. An answer, so that the site is not taken for silent.
  if (!connection->peer.secrets) {
    co_return fail(ErrorKind::invalid_argument, "NO_SECRETS_THERE",
                   "what serves site " + site_.str() + " (" + connection->peer.name +
                       ") cannot remove secrets of jobs that were sent there before: let an agent serve it that can, or empty "
                       "work_dir/secrets there");
  }
  const auto answer =
      co_await ask(method::remove_secrets,
                   protocol::to_json(protocol::SecretRemoval{.job = std::move(job), .files = std::move(files)}), deadline);
  if (!answer) co_return std::unexpected(answer.error());
  co_return Result<void>{};
}

// ---- files

Task<ports::OutputChunk> RemoteConnector::read_output(SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                                      Deadline deadline) {
  const protocol::OutputRequest request{
      .job = std::move(job), .stream = stream, .offset = offset, .limit = std::min(limit, protocol::kMaxPieceBytes)};
  const auto answer = co_await ask(method::read_output, protocol::to_json(request), deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto chunk = protocol::read_output_chunk(*answer);
  if (!chunk) co_return not_understood(site_, std::move(chunk.error()));
  if (chunk->bytes.size() > limit) co_return not_understood(site_, {.message = "more output than was asked for"});
  co_return chunk;
}

Task<std::vector<ports::FileFacts>> RemoteConnector::look_at(SiteJob job, std::vector<std::string> paths, Deadline deadline) {
  if (paths.empty()) co_return std::vector<ports::FileFacts>{};
  const auto count = paths.size();
  const auto answer = co_await ask(
      method::look_at, protocol::to_json(protocol::LookRequest{.job = std::move(job), .paths = std::move(paths)}), deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto facts = protocol::read_file_facts(*answer, count);
  if (!facts) co_return not_understood(site_, std::move(facts.error()));
  co_return facts;
}

Task<ports::FileChunk> RemoteConnector::read_file(SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                                  Deadline deadline) {
  const protocol::FileRequest request{
      .job = std::move(job), .path = std::move(path), .offset = offset, .limit = std::min(limit, protocol::kMaxPieceBytes)};
  const auto answer = co_await ask(method::read_file, protocol::to_json(request), deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto chunk = protocol::read_file_chunk(*answer);
  if (!chunk) co_return not_understood(site_, std::move(chunk.error()));
  if (chunk->bytes.size() > limit) co_return not_understood(site_, {.message = "more of the file than was asked for"});
  co_return chunk;
}

// ---- limits

Task<ports::AccountLimits> RemoteConnector::account_limits(std::vector<ports::ProjectAccount> wanted, Deadline deadline) {
  const auto connection = co_await link_.connection(deadline);
  if (!connection) co_return std::unexpected(connection.error());
  if (!connection->peer.limits) co_return ports::AccountLimits{};
  const auto answer = co_await ask(method::account_limits, protocol::to_json(wanted), deadline);
  if (!answer) co_return std::unexpected(answer.error());
  auto limits = protocol::read_limits(*answer);
  if (!limits) co_return not_understood(site_, std::move(limits.error()));
  std::erase_if(limits->limits, [&](const ports::ProjectLimit& limit) {
    return std::ranges::find(wanted, limit.project, &ports::ProjectAccount::project) == wanted.end();
  });
  co_return limits;
}

// ---- a look at the site

Task<domain::DoctorReport> RemoteConnector::doctor(ports::DoctorRequest request, Deadline deadline) {
  using enum domain::DoctorVerdict;
  const auto connection = co_await link_.connection(deadline);
  if (!connection) co_return std::unexpected(connection.error());
  const auto& peer = connection->peer;
  domain::DoctorReport report{.at = scheduler_.now_utc(), .scheduler = {}, .findings = {}, .drift = {}};
  if (peer.doctor) {
    const auto answer = co_await ask(method::doctor, protocol::to_json(request), deadline);
    if (!answer) co_return std::unexpected(answer.error());
    auto read = protocol::read_report(*answer, scheduler_.now_utc());
    if (!read) co_return not_understood(site_, std::move(read.error()));
    report = std::move(*read);
  }
  const auto say = [&](std::string check, domain::DoctorVerdict verdict, std::string value, std::string remedy = {}) {
    auto found = domain::finding(std::move(check), verdict, std::move(value), std::move(remedy));
    found.source = "initialize";
    found.at = report.at;
    report.findings.push_back(std::move(found));
  };
  say("CONNECTOR", peer.doctor ? ok : not_checked,
      peer.name + ", version " + std::to_string(protocol::kVersion) + " of the connector protocol" +
          (peer.doctor ? "" : "; it has no checks of its own"),
      peer.doctor ? "" : "what it does not offer (capability doctor) nobody can look at from here: ask the site");
  say("PROTOCOL_ARRAYS", peer.arrays ? ok : warning, peer.arrays ? "job arrays are carried" : "no job arrays",
      peer.arrays ? "" : "arrays do not go there until what serves the site offers the capability arrays");
  co_return report;
}

}  // namespace hansa::connectors::remote
