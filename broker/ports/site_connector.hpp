// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one interface to a site's scheduler (DESIGN section 8). Every call takes a Deadline and is safe to repeat, except submit.
// Called on the engine's strand; an implementation returns there.
//
// Errors, all calls: unavailable (the scheduler or the way to it is down), deadline_exceeded, permission_denied (the site's side
// refuses the account or the program; the message says what to ask for), internal (answer not understood; the detail has it).

#include "broker/async/deadline.hpp"
#include "broker/async/task.hpp"
#include "broker/core/secret.hpp"
#include "broker/domain/doctor_report.hpp"
#include "broker/domain/fact.hpp"
#include "broker/domain/job.hpp"
#include "broker/domain/snapshot.hpp"
#include "broker/domain/usage.hpp"
#include "broker/ports/account_limits.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hansa::ports {

using async::Deadline;
using async::Task;

/// A job's code, which its site may have already (broker/domain/code_archive.hpp). Empty id: there is none.
struct Code {
  CodeId id;
  std::uint64_t size = 0;
  /// At most `limit` bytes of the archive from `offset` on, on the engine's strand.
  std::function<Task<std::string>(std::uint64_t offset, std::size_t limit)> read;
};

/// What a register says of one attribute of the rules' vocabulary (policies/rules), and when it did.
struct ToldFact {
  std::string attribute;
  domain::FactValue value;
  UtcTime as_of{};
  friend bool operator==(const ToldFact&, const ToldFact&) = default;
};

/// What the broker's registers say of a job, for the rules of its site: of person, project and request, and of each dataset.
struct JobFacts {
  std::vector<ToldFact> job;
  std::vector<std::vector<ToldFact>> datasets;
  friend bool operator==(const JobFacts&, const JobFacts&) = default;
};

/// A secret of the person's, in a file of the job's folder of secrets.
struct DeliveredSecret {
  std::string file;  // domain::is_secret_name
  Secret value;
};

struct SubmitRequest {
  JobId job;
  std::int32_t attempt = 1;
  Tag tag;
  Principal person;
  LocalAccount account;            // empty: the broker's own account
  std::string scheduler_account;   // "" : the account's default
  QueueName queue;
  domain::JobSpec spec;
  domain::JobPayload payload;
  Code code;
  std::optional<JobFacts> facts = {};  // none: nothing is told
  std::string variant = {};            // of the job's, by name, which `spec` is; "": it has none
  bool stages_in = false;  // a transfer job of the broker's mover: it brings spec.datasets, or takes them from there
  std::int32_t devices_per_gpu = 1;  // that a program sees for each GPU in `spec`
  std::vector<DeliveredSecret> secrets = {};
};

struct SubmitReceipt {
  SiteJobId site_job_id;
};

/// A job of ours at a site, by what we know of it.
struct SiteJob {
  SiteJobId id;
  Tag tag;
  LocalAccount account;
  Principal person;
  UtcTime intended_at{};
  std::vector<std::int32_t> tasks = {};  // of an array: those that are asked about; none: it is no array
  bool these_tasks_only = false;  // to cancel(): these and no others; else the whole array
};

enum class Phase { queued, running, finishing, ended, not_seen };

/// One run as the site tells it; of an array what its tasks come to (task_statuses.hpp).
struct JobStatus {
  SiteJobId id;
  Phase phase = Phase::not_seen;  // not_seen proves nothing
  std::int32_t run = 0;  // restart count
  std::string site_state;  // raw: "PENDING", "COMPLETED", ...
  std::string pending_reason;  // raw: "Resources", "JobHeldUser", ...
  std::optional<UtcTime> started_at;
  std::optional<UtcTime> ended_at;
  std::optional<domain::Outcome> outcome;  // with phase ended
  std::optional<std::int32_t> exit_code;
  std::optional<std::int32_t> signal;
  domain::Reason reason;  // for people, with phase ended: "NODE_FAIL", "DUPLICATE", "SITE_REQUEUED", ...
  std::optional<UtcTime> expected_start;  // with phase queued: the scheduler's own plan, if it has one
  std::int32_t task_index = 0;  // of a task
  std::optional<domain::Grant> granted = {};  // read back: what the site gives it, or is to give it
  std::vector<JobStatus> tasks = {};  // of an array: those of the asked that the site shows, each once, rising
};

/// A site job that carries one of our tags. Whether it is ours is the engine's question. Phase not_seen: the accounting alone
/// calls it alive, which it does for ever of what the controller has forgotten.
struct Sighting {
  Tag tag;
  std::string cluster;
  LocalAccount account;
  UtcTime submitted_at{};
  JobStatus status;
};

struct FindResult {
  std::vector<Sighting> sightings;
  bool queue_seen = false;  // the queue answered, and its word is complete
  bool history_seen = false;  // so did the accounting; absence counts only if both did
};

enum class CancelWhen { always, only_while_pending };

/// The attempt's right to start its payload (DESIGN 4.5): a link in the account's own work_dir.
struct Fence {
  Tag tag;
  std::int32_t task_index = 0;
  LocalAccount account;
  Principal person;
  bool whole_array = false;  // the one right of all tasks, which their array's first start takes for all of them
};

struct SealOutcome {
  bool sealed = false;  // ours: that payload can never start
  SiteJobId holder;  // else: the site job that took it
};

struct UsageCursor {
  std::string text;  // opaque to everybody but the connector, but for those of usage_between.hpp; "" is the beginning
};

struct UsagePage {
  std::vector<domain::UsageRecord> records;  // finished runs only; repeats are harmless
  UsageCursor next;
  bool complete = true;  // false: ask again, there is more
  std::optional<std::int64_t> others = {};  // runs that ended in the page's time and are not of our jobs; none: not told
};

enum class Stream { out, err };

struct OutputChunk {
  std::string bytes;
  std::uint64_t next_offset = 0;
  bool exists = true;  // false: the job has written nothing yet
};

/// What lies at a path in the job's own working folder.
enum class FileState {
  missing,
  file,
  folder,
  link,  // a symbolic link, or something beyond one: none is followed
  special,  // a pipe, a socket, a device
  unreadable,  // the account itself may not read it
};

struct FileFacts {
  FileState state = FileState::missing;
  std::uint64_t size = 0;  // of a file, in bytes
  std::string version;  // of a file: another one once it was written to; letters, digits, '-' and '.'
  friend bool operator==(const FileFacts&, const FileFacts&) = default;
};

struct FileChunk {
  std::string bytes;  // none unless it is a file
  FileFacts facts;  // seen after the bytes were read
};

/// What a site is looked over for.
struct DoctorRequest {
  std::vector<LocalAccount> accounts;  // of people who may run there, each looked at; empty name: the broker's own
  Principal person;  // who asks; "broker:doctor" for the broker itself
  Seconds clock_skew{60};  // tolerated
};

/// Of an error of submit(): nothing left for the site. Any other may be that of a job which is there.
inline bool surely_not_sent(const Error& error) {
  switch (error.kind) {
    case ErrorKind::unknown_outcome:
    case ErrorKind::cancelled:
    case ErrorKind::internal: return false;
    case ErrorKind::deadline_exceeded: return error.code == "SITE_BUDGET";  // cut off while waiting for its turn
    default: return true;
  }
}

class SiteConnector {
 public:
  virtual ~SiteConnector() = default;

  /// Each person is asked for as themselves: the jobs of one call are one account's of one person, and that it failed says
  /// nothing of the site. Snapshots are nobody's.
  [[nodiscard]] virtual bool asks_as_persons() const { return false; }
  /// `tell` is called, on the engine's strand, when the way to the site has come about again. Not all can know.
  virtual void when_reachable(std::function<void()>) {}

  virtual Task<domain::SiteSnapshot> snapshot(Deadline deadline) = 0;

  /// Only a parsed job id is a receipt. unknown_outcome: the site may have taken it (code SITE_REFUSED if it said it did not,
  /// with its words in the message). Any other kind: certain that nothing left for the site.
  /// Nothing that this call started is alive past `deadline`. An array is one submission, and its receipt the array's id. The
  /// request's code is put into the account's work_dir first, once
  /// for all jobs of the account that name it; its secrets, into files for the account alone. Who cannot do that refuses a
  /// request that has any: invalid_argument, NO_SECRETS_THERE.
  virtual Task<SubmitReceipt> submit(SubmitRequest request, Deadline deadline) = 0;

  /// Every site job whose name is one of the tags: queue and history.
  virtual Task<FindResult> find(std::vector<SiteJob> wanted, Deadline deadline) = 0;

  /// One answer for each job asked, in the same order; a constant number of site calls.
  virtual Task<std::vector<JobStatus>> status(std::vector<SiteJob> jobs, Deadline deadline) = 0;

  /// Of an array: all of it, or those tasks that are asked about, in one site call; the outcome is theirs together.
  virtual Task<domain::CancelOutcome> cancel(SiteJob job, CancelWhen when, Deadline deadline) = 0;

  virtual Task<SealOutcome> seal(Fence fence, Deadline deadline) = 0;

  /// Finished runs of jobs with our tags, from the site's accounting.
  virtual Task<UsagePage> usage(UsageCursor from, Deadline deadline) = 0;

  /// As the job's account, beneath its work_dir only; at most `limit` bytes. Of an array: of the one task that is asked about.
  virtual Task<OutputChunk> read_output(SiteJob job, Stream stream, std::uint64_t offset, std::size_t limit,
                                        Deadline deadline) = 0;

  /// What the job leaves at these paths beneath its working folder, in their order: one site call for any number of them. As
  /// the job's account; nothing is followed out of that folder.
  virtual Task<std::vector<FileFacts>> look_at(SiteJob job, std::vector<std::string> paths, Deadline deadline) = 0;

  /// The same for one of them, with at most `limit` bytes of it.
  virtual Task<FileChunk> read_file(SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                    Deadline deadline) = 0;

  /// Nothing is left in these files of the folder of secrets that the attempt of that tag has had, if it has any. By their names
  /// alone: it may be that nothing was ever brought.
  virtual Task<> remove_secrets(SiteJob, std::vector<std::string>, Deadline) { co_return Result<void>{}; }
  /// What is left to these projects, by the limits of their accounts. One site call, as a rule. conflict: the site has limits,
  /// but does not count against them.
  virtual Task<AccountLimits> account_limits(std::vector<ProjectAccount>, Deadline) { co_return AccountLimits{}; }

  /// What the site is like: versions, formats, history, clocks, accounts' rights and folders. Findings only, of each check when
  /// it was made; what cannot be told without running a job is not_checked. Leaves nothing behind but one link in each account's
  /// work_dir. An error: the site is out of reach.
  virtual Task<domain::DoctorReport> doctor(DoctorRequest, Deadline) {
    domain::DoctorReport report;
    report.findings.push_back({.check = "CONNECTOR", .value = "this connector has no checks", .source = "hansad"});
    co_return report;
  }
};

}  // namespace hansa::ports
