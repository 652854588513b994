// SPDX-License-Identifier: Apache-2.0
#pragma once
// A batch system behind ports::SiteConnector, as far as they are all alike: the accounts' own folders, what has to be there
// before a job is sent, and a cancellation that is repeated until its outcome is known.
//
// Strand: the engine's. Nothing here is locked.

#include "broker/async/scheduler.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/batch/work_dirs.hpp"
#include "connectors/transport/transport.hpp"
#include "connectors/transport/wrapper.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::batch {

/// The account that the broker runs as, by name; takes the "~/" off `work_dir`. invalid_argument with all faults of the options:
/// those given and its own.
Result<std::string> check_options(const SiteId& site, std::string& work_dir, std::vector<Fault> faults);
void check_bin_dir(const std::string& kind, const std::string& bin_dir, std::vector<Fault>& faults);

class BatchConnector : public ports::SiteConnector {
 public:
  /// only_while_pending, and it runs: unknown, and the job is left as it was.
  ports::Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, ports::Deadline deadline) final;

  ports::Task<ports::SealOutcome> seal(ports::Fence fence, ports::Deadline deadline) final;
  ports::Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                              ports::Deadline deadline) final;
  ports::Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths,
                                                     ports::Deadline deadline) final;
  ports::Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                          ports::Deadline deadline) final;
  ports::Task<> remove_secrets(ports::SiteJob job, std::vector<std::string> files, ports::Deadline deadline) final {
    return work_dirs_.remove_secrets(std::move(job), std::move(files), deadline);
  }

 protected:
  /// `work_dir` beneath the account's home; or absolute, with "{account}" in it. `transport` and `scheduler` outlive it.
  BatchConnector(SiteId site, std::string work_dir, transport::SiteProfile profile, std::string own_account,
                 transport::Transport& transport, async::Scheduler& scheduler);

  /// Of a job that has this id. Ids are used again, a tag is not; the submit time says nothing more, and a site's clock may be
  /// wrong.
  [[nodiscard]] bool is_ours(const ports::SiteJob& job, std::string_view name, std::string_view user) const;

  /// The account as it was asked for: empty for the broker's own.
  [[nodiscard]] LocalAccount account_of(const std::vector<ports::SiteJob>& wanted, std::string_view name,
                                        const std::string& user) const;

  /// What a row of a listing says, put into the status of the job that it is of. Of an array: of those of its tasks `of` that are
  /// `wanted` (rising), each under the name that the scheduler gives it.
  static void put(ports::JobStatus& into, ports::JobStatus told, const std::vector<std::int32_t>& of,
                  const std::vector<std::int32_t>& wanted, SiteJobId (*name)(const SiteJobId& array, std::int32_t task));

  /// A submission: the account's folders and the job's code first, then `command` with the job's wrapper as its input, of which
  /// `site` has the scheduler's own part. `command` ends itself a moment before the deadline: also when the broker dies
  /// meanwhile, none is under way past it.
  ports::Task<ports::SubmitReceipt> send(ports::SubmitRequest request, transport::WrapperSpec site, transport::Command command,
                                         Result<ports::SubmitReceipt> (*read_answer)(const transport::CommandResult&),
                                         ports::Deadline deadline);

  /// Its first half: the job's wrapper, once all that it needs is there. Nothing of the job has left for the site; its payload,
  /// code and secrets are taken out of the request, which outlives the call.
  ports::Task<std::string> bring(ports::SubmitRequest* request, transport::WrapperSpec site, ports::Deadline deadline);

  /// The quality of service that the site's profile gives such a job; "": the scheduler's own choice.
  [[nodiscard]] std::string quality_for(const ports::SubmitRequest& request) const;

  /// Of a cancellation, by what became of the job. None: it is not over, or not seen.
  static std::optional<domain::CancelOutcome> outcome_of(const ports::JobStatus& status);

  /// What an account's own files say of each end (WorkDirs::explain_end).
  ports::Task<> explain_ends(const std::vector<ports::SiteJob>* jobs, std::vector<ports::JobStatus>* statuses,
                             ports::Deadline deadline);
  ports::Task<> explain_ends(const std::vector<ports::SiteJob>* wanted, std::vector<ports::Sighting>* sightings,
                             ports::Deadline deadline);

  [[nodiscard]] const transport::SiteProfile& profile() const { return profile_; }

  const std::string own_account_;
  transport::Transport& transport_;
  async::Scheduler& scheduler_;
  WorkDirs work_dirs_;

 private:
  [[nodiscard]] virtual bool is_job_id(std::string_view id) const = 0;
  /// How the scheduler's own run count and the wrapper's go together: the number in a refusal's name.
  [[nodiscard]] virtual std::int32_t wrapper_run(std::int32_t run) const { return run; }
  virtual ports::Task<std::optional<domain::CancelOutcome>> outcome_so_far(ports::SiteJob job, ports::Deadline deadline) = 0;
  /// Keeps a pending job from starting, and takes that back. What cannot be held is no failure: the job is read back.
  virtual ports::Task<> hold(ports::SiteJob job, ports::Deadline deadline) = 0;
  virtual ports::Task<> release(ports::SiteJob job, ports::Deadline deadline) = 0;
  /// Whether it is pending, held by us, and cannot start; of an array every task.
  virtual ports::Task<bool> waits_held(ports::SiteJob job, ports::Deadline deadline) = 0;
  /// Asks the scheduler to end it, or those of its tasks. That it is over or unknown is no failure; it is seen when its state is
  /// read back.
  virtual ports::Task<> end_job(ports::SiteJob job, ports::Deadline deadline) = 0;

  /// True: it is pending, held by us, and cannot start. False: it is not pending, and not held.
  ports::Task<bool> hold_while_pending(ports::SiteJob job, ports::Deadline deadline);
  /// Of tasks that are seen as ours, those that are not over. Slurm (22.05.8) forgets those that had not begun, in its accounting
  /// as well: of what is not seen nothing is said, and their fences tell.
  ports::Task<domain::CancelOutcome> cancel_tasks(ports::SiteJob job, ports::Deadline deadline);

  /// Each task of an array, and what they come to.
  ports::Task<> explain_tasks(ports::SiteJob job, ports::JobStatus* array, ports::Deadline deadline);
  boost::asio::awaitable<ports::JobStatus> explained(ports::SiteJob job, ports::JobStatus status, ports::Deadline deadline);

  const SiteId site_;
  const transport::SiteProfile profile_;
};

}  // namespace hansa::connectors::batch
