// SPDX-License-Identifier: Apache-2.0
#pragma once
// A simulated site behind the connector interface, with every way a real one can misbehave as a switch.
//
// The site (ModelSite) outlives the connector: a broker that is killed and started again finds it where time has put it.
// Strand: everything of a site, its switches and its connectors, is used on one.

#include "broker/async/scheduler.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/model/cluster.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace hansa::connectors::model {

/// What a test sets. All off at first; each counts from the next call on.
struct Faults {
  bool silent = false;                // calls hang until their deadline; nothing reaches the site
  bool mute = false;                  // the other way: the site does what it is asked, and no answer comes back
  bool down = false;                  // the connection is refused at once
  bool garbage = false;               // the site does what it is asked and answers nonsense
  bool history_off = false;           // the accounting does not answer, the queue does
  bool history_empty = false;         // it answers "none" to everything, as if all were well
  enum class End { there, never, stuck };
  End history_end = End::there;       // each page of the accounting says that there is more: elsewhere, or at the same place
  bool queue_off = false;             // the scheduler does not answer, the accounting does
  std::int32_t lose_submit_replies = 0;  // so many submissions are accepted and their receipts lost
  Milliseconds submit_delay{0};       // the site accepts so much later, also when the client has gone
  std::optional<std::string> refuse;  // the scheduler's words to every submission
  bool over_budget = false;           // the site's own end has a load budget, which every call is over
  std::function<std::optional<Error>(const ports::SubmitRequest&)> veto = {};  // that end's own rules; none: they permit it
  std::optional<std::size_t> max_jobs;   // no more are taken; sbatch sleeps, tries again, and dies at its deadline
  Milliseconds latency{0};            // of every call: half on the way there, half back
  std::vector<domain::Finding> findings;  // of a look at it, and how many questions that takes
  std::int32_t questions = 0;
  bool no_doctor = false;             // such a look fails
};

struct Calls {
  std::uint64_t snapshot = 0;
  std::uint64_t submit = 0;
  std::uint64_t find = 0;
  std::uint64_t status = 0;
  std::uint64_t cancel = 0;
  std::uint64_t seal = 0;
  std::uint64_t usage = 0;
  std::uint64_t read_output = 0;
  std::uint64_t look_at = 0;
  std::uint64_t read_file = 0;

  [[nodiscard]] std::uint64_t total() const {
    return snapshot + submit + find + status + cancel + seal + usage + read_output + look_at + read_file;
  }
};

/// The site itself. Its clock follows the monotonic one from its start on: when the broker's wall clock steps, the site's
/// does not. `skew` is how far it is ahead of the broker's at the start.
class ModelSite {
 public:
  ModelSite(const Clock& clock, ClusterOptions options, Milliseconds skew = Milliseconds{0});

  /// As it is now.
  Cluster& cluster();
  /// The site's own words on every run that has ended, as usage() gives them once they are in the accounting.
  std::vector<domain::UsageRecord> usage_records(const SiteId& site);

  Faults faults;
  Calls calls;
  std::map<Tag, std::map<std::string, std::string>> secrets;  // that lie there: file -> what is in it
  std::string version = "model";      // as snapshots tell it
  std::string site_rules;             // these two as well
  std::optional<UtcTime> quiet_until;

 private:
  const Clock& clock_;
  MonotonicTime origin_;
  UtcTime start_;
  Cluster cluster_;
};

class ModelConnector final : public ports::SiteConnector {
 public:
  ModelConnector(async::Scheduler& scheduler, SiteId site, std::shared_ptr<ModelSite> model)
      : scheduler_(scheduler), site_(std::move(site)), model_(std::move(model)) {}

  async::Task<domain::SiteSnapshot> snapshot(async::Deadline deadline) override;
  async::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, async::Deadline deadline) override;
  async::Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, async::Deadline deadline) override;
  async::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, async::Deadline deadline) override;
  async::Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, async::Deadline deadline) override;
  async::Task<ports::SealOutcome> seal(ports::Fence fence, async::Deadline deadline) override;
  async::Task<ports::UsagePage> usage(ports::UsageCursor from, async::Deadline deadline) override;
  async::Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                              async::Deadline deadline) override;
  async::Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths,
                                                     async::Deadline deadline) override;
  async::Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                          async::Deadline deadline) override;
  async::Task<> remove_secrets(ports::SiteJob job, std::vector<std::string> files, async::Deadline deadline) override;
  /// A model has nothing to be looked over for but whether it answers.
  async::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, async::Deadline deadline) override;

 private:
  /// Sleeps, but not past the deadline. False: the time was not reached, by the deadline or by a cancellation.
  boost::asio::awaitable<bool> pass(Milliseconds time, async::Deadline deadline);
  /// The way to the site, and back. An Error: it was not reached, or its answer was not understood.
  async::Task<void> reach(async::Deadline deadline);
  async::Task<void> come_back(async::Deadline deadline);
  [[nodiscard]] ports::JobStatus status_of(const ClusterJob& job) const;
  [[nodiscard]] ports::JobStatus status_of_array(const ports::SiteJob& asked) const;

  async::Scheduler& scheduler_;
  SiteId site_;
  std::shared_ptr<ModelSite> model_;
};

}  // namespace hansa::connectors::model
