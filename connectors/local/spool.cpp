// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/spool.hpp"

#include "broker/domain/nobody.hpp"
#include "connectors/local/process_table.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <map>
#include <set>

namespace hansa::connectors::local {

using domain::Outcome;
using domain::Reason;

namespace {

constexpr const char* kIncoming = "incoming";
constexpr const char* kOutgoing = "outgoing";
constexpr int kHuntRounds = 20;            // they may fork faster than one look sees
constexpr int kDeathMilliseconds = 200;    // for one process to go after SIGKILL

std::optional<std::int64_t> job_number(const std::string& name) {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc{} || end != name.data() + name.size() || id < 1 || std::to_string(id) != name) return std::nullopt;
  return id;
}

/// Job folders are flat.
Result<void> remove_folder(int parent, const std::string& name) {
  const Descriptor folder(::openat(parent, name.c_str(), O_DIRECTORY | O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) {
    if (errno == ENOENT) return {};
    return system_error(errno, "cannot open " + name);
  }
  const auto files = list_directory(folder.get());
  if (!files) return std::unexpected(files.error());
  for (const auto& file : *files) ::unlinkat(folder.get(), file.c_str(), 0);
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) return system_error(errno, "cannot remove " + name);
  return {};
}

struct Hunt {
  std::size_t killed = 0;
  std::size_t survivors = 0;
};

/// Processes of a job whose supervisor was killed. The script itself died with it; here is the rest: everything started
/// with the job's variable, and everything in the script's session, whose number cannot be used again while it has
/// members. (A process that left the session and changed its environment before it executed something escapes.)
Hunt kill_leftovers(const std::string& job_folder, const StartRecord& start) {
  Hunt hunt;
  if (start.boot_id != boot_id()) return hunt;
  const auto assignment = std::string(kJobVariable) + "=" + job_folder;
  std::set<pid_t> seen;
  for (int round = 0; round < kHuntRounds; ++round) {
    const auto all = all_processes();
    const bool leader_lives =
        std::ranges::any_of(all, [&](const ProcessEntry& p) { return p.pid == start.payload && p.state != 'Z'; });
    std::vector<Descriptor> dying;
    hunt.survivors = 0;
    for (const auto& process : all) {
      if (process.state == 'Z' || process.pid == ::getpid()) continue;
      if (!(process.session == start.payload && !leader_lives) && !started_with(process.pid, assignment)) continue;
      ++hunt.survivors;
      seen.insert(process.pid);
      if (Descriptor fd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0))); fd) dying.push_back(std::move(fd));
      ::kill(process.pid, SIGKILL);
    }
    hunt.killed = seen.size();
    if (hunt.survivors == 0) break;
    for (const auto& process : dying) {  // readable when it has gone
      pollfd gone{.fd = process.get(), .events = POLLIN, .revents = 0};
      ::poll(&gone, 1, kDeathMilliseconds);
    }
  }
  return hunt;
}

EndRecord judged_by_result(const ResultRecord& result) {
  EndRecord end{.site_state = {},
                .started_at = result.started_at,
                .ended_at = result.ended_at,
                .exit_code = result.exit_code,
                .signal = result.signal,
                .reason = {}};
  if (!result.launch_error.empty()) {
    end.site_state = "LAUNCH_FAILED";
    end.reason = {"LAUNCH_FAILED", result.launch_error};
  } else if (result.timed_out) {
    end.site_state = "TIMEOUT";
    end.outcome = Outcome::timed_out;
    end.reason = {"TIMEOUT", "stopped at its wall-time limit"};
  } else if (result.cancelled) {
    end.site_state = "CANCELLED";
    end.outcome = Outcome::cancelled;
    end.reason = {"CANCELLED", "cancelled while it ran"};
  } else if (result.interrupted) {
    end.site_state = "FAILED";
    end.reason = {"SITE_SHUTDOWN", "stopped from outside of the broker, as at a machine's shutdown"};
  } else if (result.exit_code == 0) {
    end.site_state = "COMPLETED";
    end.outcome = Outcome::succeeded;
  } else {
    end.site_state = "FAILED";
  }
  if (result.survivors > 0) {
    end.reason.message +=
        (end.reason.message.empty() ? "" : "; ") + std::to_string(result.survivors) + " of its processes could not be killed";
    if (end.reason.code.empty()) end.reason.code = "PROCESSES_LEFT";
  }
  return end;
}

}  // namespace

Result<Descriptor> open_process(const StartRecord& start) {
  if (start.boot_id != boot_id()) return fail(ErrorKind::not_found, "PROCESS_GONE", "the machine has restarted since");
  Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, start.supervisor, 0)));
  if (!process) {
    if (errno == ESRCH) return fail(ErrorKind::not_found, "PROCESS_GONE", "the process is gone");
    return system_error(errno, "cannot open the process");
  }
  const auto entry = process_entry(start.supervisor);  // looked at after the opening: what it says is true of the pidfd
  if (!entry || entry->started != start.supervisor_started)
    return fail(ErrorKind::not_found, "PROCESS_GONE", "the process is gone");
  return process;
}

Result<Spool> Spool::open(const std::string& path, const std::string& work_dir) {
  if (auto made = make_directories(path + "/jobs"); !made) return std::unexpected(std::move(made.error()));
  Descriptor lock(::open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) return system_error(errno, "cannot open " + path + "/lock");
  const auto locked = try_lock(lock);
  if (!locked) return std::unexpected(locked.error());
  if (!*locked)
    return fail(ErrorKind::unavailable, "SPOOL_IN_USE", "another process serves the local site in " + path + "; stop it first");
  auto jobs = open_directory(path + "/jobs");
  if (!jobs) return std::unexpected(std::move(jobs.error()));
  auto work_folder = WorkFolder::open(work_dir);
  if (!work_folder) return std::unexpected(std::move(work_folder.error()));
  return Spool(path, std::move(lock), std::move(*jobs), std::move(*work_folder));
}

Result<Descriptor> Spool::folder(std::int64_t id) const {
  Descriptor folder(::openat(jobs_.get(), std::to_string(id).c_str(), O_DIRECTORY | O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return system_error(errno, "cannot open " + folder_of(id));
  return folder;
}

Result<std::vector<SpooledJob>> Spool::load(std::vector<std::string>& damaged) {
  for (const auto* half : {kIncoming, kOutgoing}) {
    if (auto removed = remove_folder(jobs_.get(), half); !removed) return std::unexpected(std::move(removed.error()));
  }
  const auto names = list_directory(jobs_.get());
  if (!names) return std::unexpected(names.error());
  std::vector<SpooledJob> found;
  for (const auto& name : *names) {
    const auto id = job_number(name);
    if (!id) continue;
    last_id_ = std::max(last_id_, *id);  // also that of a damaged one: it is never given again
    const auto directory = folder(*id);
    const auto text = directory ? read_file(directory->get(), kJobFile) : Result<std::string>(std::unexpected(directory.error()));
    auto job = text ? job_record(*text) : Result<JobRecord>(std::unexpected(text.error()));
    auto sight = look(*id);
    if (!job || !sight || job->id != *id) {
      damaged.push_back(folder_of(*id));
      continue;
    }
    if (sight->end) last_sequence_ = std::max(last_sequence_, sight->end->sequence);
    found.push_back({std::move(*job), std::move(*sight)});
  }
  std::ranges::sort(found, {}, [](const SpooledJob& each) { return each.job.id; });
  // With a folder that cannot be read nobody can say which array is whole.
  if (auto dropped = damaged.empty() ? drop_half_arrays(found) : Result<void>{}; !dropped)
    return std::unexpected(std::move(dropped.error()));
  return found;
}

Result<void> Spool::put(const JobRecord& job, std::string_view script, std::int64_t script_of) {
  if (auto removed = remove_folder(jobs_.get(), kIncoming); !removed) return removed;
  if (::mkdirat(jobs_.get(), kIncoming, 0700) != 0) return system_error(errno, "cannot spool the job");
  {
    const Descriptor incoming(::openat(jobs_.get(), kIncoming, O_DIRECTORY | O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!incoming) return system_error(errno, "cannot spool the job");
    auto kept = write_file(incoming.get(), kJobFile, canonical_json(to_json(job)));
    const auto same = std::to_string(script_of) + '/' + kScriptFile;
    const bool linked = kept && script_of != 0 && ::linkat(jobs_.get(), same.c_str(), incoming.get(), kScriptFile, 0) == 0;
    if (kept && !linked) kept = write_file(incoming.get(), kScriptFile, script, 0700);
    if (!kept) {
      (void)remove_folder(jobs_.get(), kIncoming);
      return kept;
    }
  }
  // RENAME_NOREPLACE: an id is never given twice, whatever else is wrong.
  if (::renameat2(jobs_.get(), kIncoming, jobs_.get(), std::to_string(job.id).c_str(), RENAME_NOREPLACE) != 0) {
    const auto failed = system_error(errno, "cannot spool the job");
    (void)remove_folder(jobs_.get(), kIncoming);
    return failed;
  }
  last_id_ = job.id;
  return {};
}

Result<void> Spool::synced() const {
  if (::fsync(jobs_.get()) == 0) return {};
  return fail(ErrorKind::unknown_outcome, "SPOOL_NOT_SYNCED", "the job was spooled, but a crash of the machine may lose it");
}

Result<std::int64_t> Spool::add(JobRecord job, std::string_view script) {
  job.id = last_id_ + 1;
  if (auto kept = put(job, script, 0); !kept) return std::unexpected(std::move(kept.error()));
  if (auto kept = synced(); !kept) return std::unexpected(std::move(kept.error()));
  return job.id;
}

Result<std::int64_t> Spool::add_array(JobRecord job, std::string_view script) {
  const auto pattern = job;
  job.array = last_id_ + 1;
  for (const auto task : pattern.spec.array.tasks) {
    const auto index = std::to_string(task);
    const auto indexed = [&](std::string path) { return path.replace(path.find("%a"), 2, index); };
    job.id = last_id_ + 1;
    job.task = task;
    job.launch = pattern.launch;
    job.launch.out = indexed(pattern.launch.out);
    job.launch.err = indexed(pattern.launch.err);
    job.launch.environment.emplace_back(kArrayVariable, std::to_string(job.array));
    job.launch.environment.emplace_back(kTaskVariable, index);
    auto kept = put(job, script, job.id == job.array ? 0 : job.array);
    if (kept) continue;
    for (auto id = job.array; id < job.id; ++id) (void)remove(id);
    return std::unexpected(std::move(kept.error()));
  }
  if (auto kept = synced(); !kept) return std::unexpected(std::move(kept.error()));
  return job.array;
}

Result<void> Spool::drop_half_arrays(std::vector<SpooledJob>& found) const {
  std::map<std::int64_t, std::vector<const SpooledJob*>> arrays;
  for (const auto& each : found) {
    if (each.job.array != 0) arrays[each.job.array].push_back(&each);
  }
  std::set<std::int64_t> half;
  for (const auto& [id, tasks] : arrays) {
    const bool untouched = std::ranges::all_of(tasks, [](const auto* task) { return task->sight.presence == Presence::waiting; });
    if (untouched && tasks.size() < tasks.front()->job.spec.array.tasks.size()) half.insert(id);
  }
  for (const auto& each : found) {
    if (!half.contains(each.job.array)) continue;
    if (auto removed = remove(each.job.id); !removed) return removed;
  }
  std::erase_if(found, [&](const SpooledJob& each) { return half.contains(each.job.array); });
  return {};
}

Result<Sight> Spool::look(std::int64_t id) const {
  const auto directory = folder(id);
  if (!directory) return std::unexpected(directory.error());
  Sight sight;
  if (exists(directory->get(), kEndedFile)) {
    const auto text = read_file(directory->get(), kEndedFile);
    if (!text) return std::unexpected(text.error());
    auto end = end_record(*text);
    if (!end) return std::unexpected(std::move(end.error()));
    sight.presence = Presence::ended;
    sight.end = std::move(*end);
    return sight;
  }
  // If the lock is free we keep it while we look: no supervisor can begin in between. (One that tries meanwhile says
  // kStartedBefore, and the connector, which finds the job waiting, sends another.)
  const Descriptor lock(::openat(directory->get(), kLockFile, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) return system_error(errno, "cannot open the job's lock");
  const auto free = try_lock(lock);
  if (!free) return std::unexpected(free.error());
  if (exists(directory->get(), kStartedFile)) {
    const auto text = read_file(directory->get(), kStartedFile);
    if (!text) return std::unexpected(text.error());
    auto start = start_record(*text);
    if (!start) return std::unexpected(std::move(start.error()));
    sight.start = std::move(*start);
  }
  sight.presence = !*free ? Presence::alive : sight.start ? Presence::over : Presence::waiting;
  return sight;
}

Result<EndRecord> Spool::judge(int folder, std::int64_t id, EndRecord end) {
  end.sequence = last_sequence_ + 1;
  if (auto kept = write_file(folder, kEndedFile, canonical_json(to_json(end))); !kept) {
    kept.error().message = "cannot keep the end of local job " + std::to_string(id) + ": " + kept.error().message;
    return std::unexpected(std::move(kept.error()));
  }
  last_sequence_ = end.sequence;
  return end;
}

Result<EndRecord> Spool::settle(std::int64_t id, UtcTime now) {
  auto sight = look(id);
  if (!sight) return std::unexpected(std::move(sight.error()));
  if (sight->end) return *sight->end;
  if (sight->presence != Presence::over)
    return fail(ErrorKind::conflict, "NOT_OVER", "local job " + std::to_string(id) + " is not over");
  const auto directory = folder(id);
  if (!directory) return std::unexpected(directory.error());

  if (exists(directory->get(), kResultFile)) {
    const auto text = read_file(directory->get(), kResultFile);
    if (!text) return std::unexpected(text.error());
    const auto result = result_record(*text);
    if (!result) return std::unexpected(result.error());
    auto end = judged_by_result(*result);
    const auto job_text = read_file(directory->get(), kJobFile);
    const auto job = job_text ? job_record(*job_text) : Result<JobRecord>(std::unexpected(job_text.error()));
    if (!job) return std::unexpected(job.error());
    if (end.outcome == Outcome::failed && end.reason.code.empty()) {
      if (auto refused = work_folder_.refusal(*job)) {
        end.reason = std::move(*refused);
        end.exit_code.reset();  // the wrapper's, not a payload's
      }
    }
    return judge(directory->get(), id, std::move(end));
  }
  const auto hunt = kill_leftovers(folder_of(id), *sight->start);
  std::string words = "the job's supervisor was killed";
  if (sight->start->boot_id != boot_id()) words = "the machine restarted while the job ran";
  if (hunt.killed > 0) words += "; " + std::to_string(hunt.killed) + " of the job's processes were still there and were killed";
  if (hunt.survivors > 0) words += ", " + std::to_string(hunt.survivors) + " of them did not go";
  return judge(directory->get(), id,
               {.site_state = "SUPERVISOR_LOST",
                .outcome = Outcome::failed,
                .started_at = sight->start->started_at,
                .ended_at = std::max(now, sight->start->started_at),
                .exit_code = {},
                .signal = {},
                .reason = {"SUPERVISOR_LOST", std::move(words)}});
}

Result<EndRecord> Spool::withdraw(std::int64_t id, UtcTime now, std::string site_state, Outcome outcome, Reason reason) {
  const auto directory = folder(id);
  if (!directory) return std::unexpected(directory.error());
  // Under the job's own lock: a supervisor that an earlier broker sent on its way finds it taken, or the job ended.
  const Descriptor lock(::openat(directory->get(), kLockFile, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) return system_error(errno, "cannot open the job's lock");
  const auto locked = try_lock(lock);
  if (!locked) return std::unexpected(locked.error());
  if (!*locked || exists(directory->get(), kStartedFile)) {
    return fail(ErrorKind::conflict, "STARTED", "local job " + std::to_string(id) + " has started");
  }
  return judge(directory->get(), id,
               {.site_state = std::move(site_state),
                .outcome = outcome,
                .started_at = {},
                .ended_at = now,
                .exit_code = {},
                .signal = {},
                .reason = std::move(reason)});
}

Result<void> Spool::ask_to_end(std::int64_t id, const StartRecord& start) const {
  const auto directory = folder(id);
  if (!directory) return std::unexpected(directory.error());
  const Descriptor mark(::openat(directory->get(), kCancelFile, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!mark) return system_error(errno, "cannot mark the job as cancelled");
  const auto process = open_process(start);
  if (!process) {
    if (process.error().kind == ErrorKind::not_found) return {};
    return std::unexpected(process.error());
  }
  if (::syscall(SYS_pidfd_send_signal, process->get(), SIGTERM, nullptr, 0) != 0 && errno != ESRCH) {
    return system_error(errno, "cannot signal the job's supervisor");
  }
  return {};
}

Result<void> Spool::remove(std::int64_t id) const {
  // Under another name first: a broker that is killed in the middle leaves no half of a job.
  if (auto removed = remove_folder(jobs_.get(), kOutgoing); !removed) return removed;
  if (::renameat(jobs_.get(), std::to_string(id).c_str(), jobs_.get(), kOutgoing) != 0) {
    if (errno == ENOENT) return {};
    return system_error(errno, "cannot remove local job " + std::to_string(id));
  }
  return remove_folder(jobs_.get(), kOutgoing);
}

Result<void> Spool::forget_person(std::int64_t id) const {
  const auto directory = folder(id);
  if (!directory) return directory.error().kind == ErrorKind::not_found ? Result<void>{} : std::unexpected(directory.error());
  const auto text = read_file(directory->get(), kJobFile);
  auto job = text ? job_record(*text) : Result<JobRecord>(std::unexpected(text.error()));
  if (!job) return std::unexpected(job.error());
  job->person = domain::kNobody;
  job->account = {};
  job->spec = domain::without_names(std::move(job->spec));
  job->launch.environment.clear();
  if (auto kept = write_file(directory->get(), kJobFile, canonical_json(to_json(*job))); !kept) return kept;
  if (::unlinkat(directory->get(), kScriptFile, 0) != 0 && errno != ENOENT)
    return system_error(errno, "cannot remove the script of local job " + std::to_string(id));
  return {};
}

}  // namespace hansa::connectors::local
