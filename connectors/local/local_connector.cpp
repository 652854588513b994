// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/local_connector.hpp"

#include "broker/domain/code_archive.hpp"
#include "broker/domain/variant.hpp"
#include "broker/ports/task_statuses.hpp"
#include "connectors/batch/wrapped_job.hpp"
#include "connectors/transport/own_account.hpp"
#include "connectors/transport/wrapper.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <set>
#include <type_traits>
#include <utility>

namespace hansa::connectors::local {

namespace asio = boost::asio;
using async::Deadline;
using async::Task;
using domain::CancelOutcome;
using domain::Outcome;
using ports::LogLevel;

namespace {

constexpr std::size_t kUsagePageRecords = 1000;
constexpr const char* kRunVariable = "HANSA_LOCAL_RUN";
constexpr std::size_t kCodePiece = std::size_t{1} << 20;

/// What is asked about an array that was found by its tag.
ports::SiteJob array_in(const std::vector<ports::SiteJob>& wanted, const JobRecord& job) {
  auto asked = *std::ranges::find(wanted, job.tag, &ports::SiteJob::tag);
  asked.id = SiteJobId(std::to_string(job.array));
  return asked;
}

/// As the broker knows it: of a task its array's, '_' and its index.
SiteJobId id_of(const JobRecord& job) {
  if (job.array == 0) return SiteJobId(std::to_string(job.id));
  return transport::task_id(SiteJobId(std::to_string(job.array)), job.task);
}

std::optional<std::int64_t> number_of(const SiteJobId& id) {
  std::int64_t number = 0;
  const auto& text = id.str();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

std::unexpected<Error> too_late() {
  return fail(ErrorKind::deadline_exceeded, "DEADLINE_EXCEEDED", "the local site was asked too late");
}

/// Sites tell times in whole seconds.
UtcTime whole(UtcTime t) { return UtcTime{std::chrono::floor<Seconds>(t)}; }
std::optional<UtcTime> whole(std::optional<UtcTime> t) { return t ? std::optional(whole(*t)) : t; }

transport::MachineAccount own_account() {
  return transport::own_account().value_or(
      transport::MachineAccount{.name = std::to_string(::geteuid()), .home = "/", .shell = "/bin/sh"});
}

Result<void> validate(const LocalOptions& options) {
  std::vector<Fault> faults;
  const auto require = [&](bool holds, const char* key, const char* message) {
    if (!holds) faults.push_back({.where = key, .message = message});
  };
  require(options.spool.starts_with('/'), "spool", "an absolute path is needed");
  require(options.work_dir.starts_with('/') && transport::is_safe_work_dir(options.work_dir), "work_dir",
          "an absolute path of letters, digits and ._/@+,- is needed");
  require(options.runner.starts_with('/') && ::access(options.runner.c_str(), X_OK) == 0, "runner",
          "hansa-local-run is not there");
  require(!options.queue.empty(), "queue", "a queue needs a name");
  require(options.cores >= 1, "slots", "at least one core");
  require(options.memory.value >= 1, "memory_mib", "at least 1 MiB");
  require(options.gpus >= 0, "gpus", "not negative");
  require(!options.max_time || options.max_time->count() >= 1, "max_time", "at least 1 s");
  require(options.keep.count() >= 1, "keep", "at least 1 s");
  if (faults.empty()) return {};
  return std::unexpected(
      Error{.kind = ErrorKind::invalid_argument,
            .code = "LOCAL_OPTIONS",
            .message = "local site " + options.site.str() + ": " + faults.front().where + ": " + faults.front().message,
            .faults = std::move(faults)});
}

}  // namespace

// ---- beginning

Result<std::unique_ptr<LocalConnector>> LocalConnector::open(async::Scheduler& scheduler, asio::any_io_executor executor,
                                                             LocalOptions options, ports::Log& log) {
  if (auto valid = validate(options); !valid) return std::unexpected(std::move(valid.error()));
  auto spool = Spool::open(options.spool, options.work_dir);
  if (!spool) return std::unexpected(std::move(spool.error()));
  std::vector<std::string> damaged;
  auto found = spool->load(damaged);
  if (!found) return std::unexpected(std::move(found.error()));
  for (const auto& folder : damaged) {
    log.write(LogLevel::error, "a job's folder in the spool cannot be read; it is left alone",
              {{"site", options.site.str()}, {"folder", folder}});
  }
  std::unique_ptr<LocalConnector> connector(
      new LocalConnector(scheduler, std::move(executor), std::move(options), log, own_account().name, std::move(*spool)));
  connector->runner_.take(std::move(*found));
  return connector;
}

LocalConnector::LocalConnector(async::Scheduler& scheduler, asio::any_io_executor executor, LocalOptions options, ports::Log& log,
                               std::string user, Spool spool)
    : scheduler_(scheduler),
      options_(std::move(options)),
      user_(std::move(user)),
      total_{.cores = options_.cores, .memory_mib = options_.memory.value, .gpus = options_.gpus},
      runner_(scheduler, std::move(executor),
              {.site = options_.site, .runner = options_.runner, .total = total_, .keep = options_.keep}, log, std::move(spool)) {
}

// ---- submission

Result<void> LocalConnector::admissible(const ports::SubmitRequest& request) const {
  if (!request.account.empty() && request.account.str() != user_) {
    return fail(ErrorKind::permission_denied, "NO_SUCH_ACCOUNT",
                "local site " + options_.site.str() + " runs jobs as " + user_ + " only, not as '" + request.account.str() + "'");
  }
  const auto refuse = [&](const std::string& words) {
    return fail(ErrorKind::unknown_outcome, "SITE_REFUSED", "local site " + options_.site.str() + " refused the job: " + words);
  };
  const auto& r = request.spec.resources;
  if (!request.queue.empty() && request.queue != options_.queue) return refuse("there is no queue '" + request.queue.str() + "'");
  if (r.nodes != 1) return refuse("it has one node, " + std::to_string(r.nodes) + " were asked for");
  if (r.tasks < 1 || r.cpus_per_task < 1 || r.gpus_per_node < 0 || request.spec.time_limit.count() < 1)
    return refuse("its resources make no sense");
  if (options_.max_time && request.spec.time_limit > *options_.max_time) {
    return refuse("its wall-time limit is " + std::to_string(options_.max_time->count()) + " s");
  }
  if (!total_.holds(room_for(r, total_))) {
    return refuse("it has " + std::to_string(total_.cores) + " cores, " + std::to_string(total_.memory_mib) + " MiB and " +
                  std::to_string(total_.gpus) + " GPUs");
  }
  if (r.gpus_per_node > 0 && !r.gpu_model.empty() && r.gpu_model != options_.gpu_model)
    return refuse("it has no GPU of model '" + r.gpu_model + "'");
  return {};
}

Result<std::string> LocalConnector::wrapped_script(ports::SubmitRequest& request) const {
  transport::WrapperSpec wrapper{.tag = {},
                                 .work_dir = options_.work_dir,
                                 .job_id_variable = kIdVariable,
                                 .run_variable = kRunVariable,
                                 .task_variable = kTaskVariable,
                                 .array_variable = request.spec.array.empty() ? "" : kArrayVariable,
                                 .unset = {kIdVariable, kRunVariable, kTaskVariable, kArrayVariable}};
  auto profile = options_.profile;
  if (profile.gpu_vendor.empty()) profile.gpu_vendor = domain::gpu_vendor_of(options_.gpu_model);
  batch::fill(wrapper, request, options_.site, std::move(profile), user_);
  return transport::make_wrapper(wrapper);
}

Task<> LocalConnector::stage_code(Tag tag, ports::Code code) {
  const auto digest = std::string(domain::digest_of(code.id));
  const auto there = co_await runner_.on_files(
      [digest, size = code.size](Spool& spool) -> Result<bool> { return spool.work_folder().has_code(digest, size); });
  if (!there) co_return std::unexpected(there.error());
  if (*there) co_return Result<void>{};
  const auto begun = co_await runner_.on_files([tag](Spool& spool) -> Result<std::shared_ptr<Descriptor>> {
    auto file = spool.work_folder().begin_code(tag);
    if (!file) return std::unexpected(file.error());
    return std::make_shared<Descriptor>(std::move(*file));
  });
  if (!begun) co_return std::unexpected(begun.error());
  Result<void> done;
  for (std::uint64_t at = 0; at < code.size && done;) {
    auto bytes = co_await code.read(at, kCodePiece);
    if (bytes && bytes->empty())
      bytes = fail(ErrorKind::unavailable, "CODE_FILES", "the broker's copy of the code ends before its end");
    if (!bytes) {
      done = std::unexpected(bytes.error());
      break;
    }
    at += bytes->size();
    done = co_await runner_.on_files([file = *begun, piece = std::move(*bytes)](Spool&) { return append(*file, piece); });
  }
  if (done) done = co_await runner_.on_files([tag, digest](Spool& spool) { return spool.work_folder().keep_code(tag, digest); });
  if (!done) {
    (void)co_await runner_.on_files([tag](Spool& spool) -> Result<void> {
      spool.work_folder().drop_code(tag);
      return {};
    });
  }
  co_return done;
}

Task<ports::SubmitReceipt> LocalConnector::submit(ports::SubmitRequest request, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  if (auto admitted = admissible(request); !admitted) co_return std::unexpected(std::move(admitted.error()));
  auto script = wrapped_script(request);
  if (!script) co_return std::unexpected(std::move(script.error()));
  if (!request.code.id.empty()) {
    if (auto staged = co_await stage_code(request.tag, request.code); !staged) {
      auto error = std::move(staged.error());  // nothing of the job has left yet
      if (error.kind != ErrorKind::cancelled && error.kind != ErrorKind::storage_full) error.kind = ErrorKind::unavailable;
      co_return std::unexpected(std::move(error));
    }
  }
  if (!request.secrets.empty()) {
    auto kept = co_await runner_.on_files([tag = request.tag, secrets = std::exchange(request.secrets, {})](Spool& spool) {
      return spool.work_folder().keep_secrets(tag, secrets);
    });
    if (!kept) {
      if (kept.error().kind != ErrorKind::storage_full) kept.error().kind = ErrorKind::unavailable;
      co_return std::unexpected(std::move(kept.error()));
    }
  }

  const auto account = own_account();
  const auto output = [&](bool errors) {  // the spool puts a task's index in the place of "%a"
    return request.spec.array.empty() ? transport::output_path(request.tag, errors)
                                      : transport::task_output_path(request.tag, "%a", errors);
  };
  JobRecord record{.tag = request.tag,
                   .person = request.person,
                   .account = request.account,  // told back as it was asked for: empty, or our own
                   .scheduler_account = request.scheduler_account,
                   .queue = options_.queue,
                   .spec = request.spec,
                   .submitted_at = scheduler_.now_utc(),
                   .launch = {.work_dir = options_.work_dir,
                              .out = output(false),
                              .err = output(true),
                              .environment = {{"HOME", account.home},
                                              {"USER", account.name},
                                              {"LOGNAME", account.name},
                                              {"SHELL", account.shell},
                                              {"PATH", "/usr/local/bin:/usr/bin:/bin"}}}};
  const auto id = co_await runner_.add(std::move(record), std::move(*script));
  if (!id) co_return std::unexpected(id.error());
  co_return ports::SubmitReceipt{.site_job_id = SiteJobId(std::to_string(*id))};
}

// ---- questions

const LocalJob* LocalConnector::known(const ports::SiteJob& asked) const {
  const auto id = number_of(asked.id);
  const auto at = id ? runner_.jobs().find(*id) : runner_.jobs().end();
  return at == runner_.jobs().end() || at->second.record.tag != asked.tag ? nullptr : &at->second;
}

std::string LocalConnector::pending_reason(const LocalJob& job) const {
  if (runner_.waits_for_its_name(job)) return "Dependency";
  return job.not_before ? "LaunchFailed" : "Resources";
}

ports::JobStatus LocalConnector::status_of(const LocalJob& job) const {
  ports::JobStatus status{.id = id_of(job.record), .site_state = {}, .pending_reason = {}, .reason = {}};
  const auto& spec = job.record.spec;
  status.granted = domain::Grant{.nodes = 1,
                                 .tasks = spec.resources.tasks,
                                 .cores = static_cast<std::int32_t>(job.room.cores),
                                 .gpus = static_cast<std::int32_t>(job.room.gpus),
                                 .memory = Mebibytes{job.room.memory_mib},
                                 .time_limit = spec.time_limit,
                                 .queue = job.record.queue,
                                 .account = job.record.scheduler_account,
                                 .exclusive = spec.resources.exclusive};
  switch (job.stage) {
    case Stage::waiting:
      status.phase = ports::Phase::queued;
      status.site_state = "PENDING";
      status.pending_reason = pending_reason(job);
      break;
    case Stage::starting:
      status.phase = ports::Phase::queued;
      status.site_state = "STARTING";
      break;
    case Stage::running:
      status.phase = job.start ? ports::Phase::running : ports::Phase::queued;
      status.site_state = job.start ? "RUNNING" : "STARTING";
      if (job.start) status.started_at = whole(job.start->started_at);
      break;
    case Stage::ended:
      status.phase = ports::Phase::ended;
      status.site_state = job.end->site_state;
      status.started_at = whole(job.end->started_at);
      status.ended_at = whole(job.end->ended_at);
      status.outcome = job.end->outcome;
      status.exit_code = job.end->exit_code;
      status.signal = job.end->signal;
      status.reason = job.end->reason;
      break;
  }
  return status;
}

ports::JobStatus LocalConnector::status_of_array(const ports::SiteJob& asked) const {
  ports::JobStatus array;
  array.id = asked.id;
  for (const auto* task : runner_.tasks_of(number_of(asked.id).value_or(0), asked.tag)) {
    if (!std::ranges::binary_search(asked.tasks, task->record.task)) continue;
    array.tasks.push_back(status_of(*task));
    array.tasks.back().task_index = task->record.task;
  }
  ports::sum_up(array, asked.tasks.size());
  return array;
}

Task<std::vector<ports::JobStatus>> LocalConnector::status(std::vector<ports::SiteJob> jobs, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  std::vector<ports::JobStatus> answers;
  answers.reserve(jobs.size());
  for (const auto& asked : jobs) {
    if (!asked.tasks.empty())
      answers.push_back(status_of_array(asked));
    else if (const auto* job = known(asked))
      answers.push_back(status_of(*job));
    else
      answers.push_back({.id = asked.id, .site_state = {}, .pending_reason = {}, .reason = {}});
  }
  co_return answers;
}

Task<ports::FindResult> LocalConnector::find(std::vector<ports::SiteJob> wanted, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  ports::FindResult result{.sightings = {}, .queue_seen = true, .history_seen = true};
  std::set<Tag> tags;
  for (const auto& job : wanted) tags.insert(job.tag);
  for (const auto& tag : tags) {
    const auto [first, last] = runner_.by_tag().equal_range(tag);
    for (auto at = first; at != last; ++at) {
      const auto& job = runner_.jobs().at(at->second);
      if (job.record.array != 0 && job.record.array != job.record.id) continue;  // the first stands for all
      result.sightings.push_back(
          {.tag = tag,
           .cluster = options_.site.str(),
           .account = job.record.account,
           .submitted_at = whole(job.record.submitted_at),
           .status = job.record.array == 0 ? status_of(job) : status_of_array(array_in(wanted, job.record))});
    }
  }
  co_return result;
}

Task<domain::SiteSnapshot> LocalConnector::snapshot(Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  domain::SiteSnapshot snapshot{.taken_at = scheduler_.now_utc(), .cluster = options_.site.str(), .scheduler = "hansa local"};
  snapshot.arrays.emplace();
  snapshot.queues.push_back(
      {.name = options_.queue, .is_default = true, .max_time = options_.max_time, .max_nodes = 1, .nodes = {0}});
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  ::utsname system{};
  const std::string machine = ::uname(&system) == 0 ? system.machine : "";
  snapshot.nodes.push_back({.name = host.data(),
                            .cores = options_.cores,
                            .memory = options_.memory,
                            .gpus = options_.gpus,
                            .gpu_model = options_.gpu_model,
                            .architecture = machine});
  for (const auto id : runner_.active()) {
    const auto& job = runner_.jobs().at(id);
    const auto& spec = job.record.spec;
    if (job.stage == Stage::starting || job.stage == Stage::running) {
      const auto started = job.start ? job.start->started_at : snapshot.taken_at;
      snapshot.running.push_back({.id = id_of(job.record),
                                  .queue = options_.queue,
                                  .shares = {{.node = 0,
                                              .cores = static_cast<std::int32_t>(job.room.cores),
                                              .memory = Mebibytes{job.room.memory_mib},
                                              .gpus = static_cast<std::int32_t>(job.room.gpus)}},
                                  .expected_end = started + spec.time_limit});
    } else if (job.stage == Stage::waiting) {
      snapshot.waiting.push_back({.id = id_of(job.record),
                                  .queue = options_.queue,
                                  .resources = spec.resources,
                                  .time_limit = spec.time_limit,
                                  .eligible = !runner_.waits_for_its_name(job)});
    }
  }
  co_return snapshot;
}

domain::UsageRecord LocalConnector::usage_of(const LocalJob& job) const {
  const auto& end = *job.end;
  domain::UsageRecord record{.site = options_.site,
                             .cluster = options_.accounting.empty() ? options_.site.str() : options_.accounting,
                             .site_job_id = id_of(job.record),
                             .tag = job.record.tag,
                             .account = job.record.account,
                             .scheduler_account = job.record.scheduler_account,
                             .queue = job.record.queue,
                             .submitted_at = whole(job.record.submitted_at),
                             .started_at = whole(end.started_at),
                             .ended_at = whole(end.ended_at),
                             .site_state = end.site_state,
                             .exit_code = end.exit_code,
                             .source_line = canonical_json(to_json(end))};
  if (job.record.array != 0) record.array_id = SiteJobId(std::to_string(job.record.array));
  if (record.started_at) {
    record.elapsed = std::max(std::chrono::floor<Seconds>(record.ended_at - *record.started_at), Seconds{0});
    record.nodes = 1;
    record.cores = static_cast<std::int32_t>(job.room.cores);
    record.gpus = static_cast<std::int32_t>(job.room.gpus);
    record.core_seconds = {record.elapsed.count() * record.cores};
    record.gpu_seconds = {record.elapsed.count() * record.gpus};
    record.node_seconds = {record.elapsed.count()};
  }
  return record;
}

Task<ports::UsagePage> LocalConnector::usage(ports::UsageCursor from, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  std::int64_t after = 0;  // the sequence number of the last record read
  const auto* text_end = from.text.data() + from.text.size();
  if (const auto [stop, error] = std::from_chars(from.text.data(), text_end, after);
      !from.text.empty() && (error != std::errc{} || stop != text_end)) {
    co_return fail(ErrorKind::invalid_argument, "BAD_CURSOR", "'" + from.text + "' is no usage cursor of a local site");
  }
  ports::UsagePage page;
  for (auto at = runner_.ended().upper_bound(after); at != runner_.ended().end(); ++at) {
    if (page.records.size() == kUsagePageRecords) {
      page.complete = false;
      break;
    }
    page.records.push_back(usage_of(runner_.jobs().at(at->second)));
    after = at->first;
  }
  page.next.text = std::to_string(after);
  page.others = 0;
  co_return page;
}

// ---- interventions

Task<CancelOutcome> LocalConnector::cancel(ports::SiteJob asked, ports::CancelWhen when, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  if (!asked.tasks.empty()) co_return co_await cancel_array(std::move(asked), when, deadline);
  const auto* found = known(asked);
  if (found == nullptr) co_return CancelOutcome::unknown;
  co_return co_await runner_.cancel(found->record.id, when, deadline);
}

Task<CancelOutcome> LocalConnector::cancel_array(ports::SiteJob asked, ports::CancelWhen when, Deadline deadline) {
  const auto array = number_of(asked.id).value_or(0);
  if (when == ports::CancelWhen::only_while_pending) {
    const auto all = runner_.tasks_of(array, asked.tag);
    if (!std::ranges::all_of(all, [](const LocalJob* task) { return task->stage == Stage::waiting; }))
      co_return CancelOutcome::unknown;
  }
  std::vector<std::int64_t> ids;
  for (const auto* task : runner_.tasks_of(array, asked.tag)) {
    if (std::ranges::binary_search(asked.tasks, task->record.task)) ids.push_back(task->record.id);
  }
  // The last first: those that wait do not take the places of those that are stopped.
  std::ranges::reverse(ids);
  auto sum = ids.empty() ? CancelOutcome::unknown : CancelOutcome::already_ended;
  for (const auto id : ids) {
    const auto one = co_await runner_.cancel(id, when, deadline);
    if (!one) co_return std::unexpected(one.error());
    if (*one == CancelOutcome::unknown) co_return CancelOutcome::unknown;
    if (*one == CancelOutcome::stopped || sum == CancelOutcome::already_ended) sum = *one;
  }
  co_return sum;
}

Task<ports::SealOutcome> LocalConnector::seal(ports::Fence fence, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  if (!fence.account.empty() && fence.account.str() != user_) {
    co_return fail(ErrorKind::permission_denied, "NO_SUCH_ACCOUNT",
                   "local site " + options_.site.str() + " has no fences of '" + fence.account.str() + "'");
  }
  if (!domain::parse_tag(fence.tag.str()))
    co_return fail(ErrorKind::invalid_argument, "BAD_TAG", "'" + fence.tag.str() + "' is no tag");
  co_return co_await runner_.on_files([fence](Spool& spool) { return spool.work_folder().seal(fence); });
}

Task<ports::OutputChunk> LocalConnector::read_output(ports::SiteJob asked, ports::Stream stream, std::uint64_t offset,
                                                     std::size_t limit, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  const auto* job = known(asked);  // an array's id is its first task's
  if (job == nullptr) co_return ports::OutputChunk{.bytes = {}, .next_offset = offset, .exists = false};
  const auto task = asked.tasks.empty() ? std::nullopt : std::optional(asked.tasks.front());
  co_return co_await runner_.on_files([tag = job->record.tag, task, stream, offset, limit](Spool& spool) {
    return spool.work_folder().read_output(tag, task, stream, offset, limit);
  });
}

Task<std::vector<ports::FileFacts>> LocalConnector::look_at(ports::SiteJob asked, std::vector<std::string> paths,
                                                            Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  const auto* job = known(asked);
  if (job == nullptr) co_return std::vector<ports::FileFacts>(paths.size());
  co_return co_await runner_.on_files([tag = job->record.tag, paths](Spool& spool) -> Result<std::vector<ports::FileFacts>> {
    std::vector<ports::FileFacts> facts;
    for (const auto& path : paths) {
      auto chunk = spool.work_folder().read_file(tag, path, 0, 0);
      if (!chunk) return std::unexpected(std::move(chunk.error()));
      facts.push_back(std::move(chunk->facts));
    }
    return facts;
  });
}

Task<ports::FileChunk> LocalConnector::read_file(ports::SiteJob asked, std::string path, std::uint64_t offset, std::size_t limit,
                                                 Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  const auto* job = known(asked);
  if (job == nullptr) co_return ports::FileChunk{};
  co_return co_await runner_.on_files([tag = job->record.tag, path, offset, limit](Spool& spool) {
    return spool.work_folder().read_file(tag, path, offset, limit);
  });
}

Task<> LocalConnector::remove_secrets(ports::SiteJob job, std::vector<std::string> files, Deadline deadline) {
  if (deadline.passed(scheduler_)) co_return too_late();
  co_return co_await runner_.on_files([tag = std::move(job.tag), files = std::move(files)](Spool& spool) {
    return spool.work_folder().drop_secrets(tag, files);
  });
}

Task<void> LocalConnector::forget(Principal person) {
  std::set<CodeId> in_use;  // of others: it lies there once for all who brought the same
  for (const auto id : runner_.active()) in_use.insert(runner_.jobs().at(id).record.spec.code);
  return runner_.forget(std::move(person), [work_dir = options_.work_dir, in_use](const JobRecord& job) -> Result<void> {
    const auto& tag = job.tag;
    std::error_code failed;
    std::filesystem::remove_all(work_dir + "/jobs/" + tag.str(), failed);
    if (!failed) std::filesystem::remove_all(work_dir + '/' + transport::secrets_path(tag), failed);
    if (!job.spec.code.empty() && !in_use.contains(job.spec.code))
      std::filesystem::remove(work_dir + "/code/" + std::string(domain::digest_of(job.spec.code)) + ".tar", failed);
    for (auto entry = std::filesystem::directory_iterator(work_dir + "/output", failed);
         !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
      if (entry->path().filename().string().starts_with(tag.str() + ".")) std::filesystem::remove(entry->path(), failed);
    }
    if (!failed || failed == std::errc::no_such_file_or_directory) return {};
    return system_error(failed.value(), "cannot remove the files of " + tag.str() + " in " + work_dir);
  });
}

}  // namespace hansa::connectors::local
