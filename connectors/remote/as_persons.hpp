// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site where each person is asked for as themselves, over a connection of their own. What is said over it is said by programs
// of that person's account, so it counts for that person's jobs alone.
//
// Strand: that of its owner.

#include "broker/ports/log.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/remote/person_pool.hpp"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace hansa::connectors::remote {

/// The site's budget, per minute.
struct CallRates {
  std::int64_t queries = 10;
  std::int64_t submits = 600;
  std::int64_t cancels = 600;
};

/// Whoever asks has had its turn by the site's budget; but between that and a person's connection time passes, and what has
/// waited there together is not to leave together: so many in any sixty seconds, as they leave.
class LeavingRate {
 public:
  LeavingRate(async::Scheduler& scheduler, std::int64_t per_minute)
      : scheduler_(scheduler), limit_(static_cast<std::size_t>(per_minute)) {}

  /// Then one leaves. deadline_exceeded (SITE_BUDGET): none could in time.
  ports::Task<> pass(ports::Deadline deadline);

 private:
  async::Scheduler& scheduler_;
  std::size_t limit_;
  std::deque<MonotonicTime> left_;  // in the last minute
};

/// Whose a job of the broker's is; none: there is no such job.
using OwnerOf = std::function<ports::Task<std::optional<Principal>>(JobId)>;

class AsPersons : public ports::SiteConnector {
 public:
  [[nodiscard]] bool asks_as_persons() const override { return true; }

  ports::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, ports::Deadline deadline) override;
  ports::Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, ports::Deadline deadline) override;
  ports::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, ports::Deadline deadline) override;
  ports::Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, ports::Deadline deadline) override;
  ports::Task<ports::SealOutcome> seal(ports::Fence fence, ports::Deadline deadline) override;
  /// One person's at a time, of those who have had jobs of late.
  ports::Task<ports::UsagePage> usage(ports::UsageCursor from, ports::Deadline deadline) override;
  ports::Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                              ports::Deadline deadline) override;
  ports::Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths,
                                                     ports::Deadline deadline) override;
  ports::Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                          ports::Deadline deadline) override;
  ports::Task<> remove_secrets(ports::SiteJob job, std::vector<std::string> files, ports::Deadline deadline) override;

 protected:
  /// `scheduler` and `log` outlive it. `owner_of`, if there is one: what somebody's agent tells of jobs that are not theirs is
  /// left out, and told in the log.
  AsPersons(async::Scheduler& scheduler, ports::Log& log, SiteId site, CallRates rates, OwnerOf owner_of);

  /// A person's connection. Errors are those of PersonPool::hold.
  virtual ports::Task<PersonPool::Hold> hold_of(Login login, ports::Deadline deadline) = 0;
  /// The last word before a job of so long is submitted.
  virtual ports::Task<> may_submit(Login login, Seconds time_limit, ports::Deadline deadline) = 0;
  /// Whether it is worth asking for this person's accounting.
  [[nodiscard]] virtual bool is_there(const Login&) const { return true; }

  /// There may be news in this person's accounting.
  Login named(const Principal& person, const LocalAccount& account);
  /// Of everybody's accounts that have been spoken of.
  void name_again(const Principal& person);
  LeavingRate queries_, submits_, cancels_;

 private:
  struct Accounting {
    std::string cursor;  // the person's own agent's
    MonotonicTime named_at{};  // when a job of theirs was last spoken of
    std::optional<MonotonicTime> read_at;  // to its end
  };
  Result<Login> one_person(const std::vector<ports::SiteJob>& jobs);
  void resume_accounting(const ports::UsageCursor& from);
  [[nodiscard]] ports::UsageCursor cursor_after(const Login& last) const;
  ports::Task<ports::UsagePage> usage_of(Login login, std::string cursor, ports::Deadline deadline);
  ports::Task<std::vector<domain::UsageRecord>> of_own_jobs(Login login, std::vector<domain::UsageRecord> records);

  /// A person's connection at the moment when something may leave over it.
  ports::Task<PersonPool::Hold> hold(Login login, LeavingRate* rate, ports::Deadline deadline);

  async::Scheduler& scheduler_;
  ports::Log& log_;
  SiteId site_;
  OwnerOf owner_of_;
  std::map<Login, Accounting> accounting_;
  std::deque<Login> round_;  // whose accounting is still to be read in this one
};

}  // namespace hansa::connectors::remote
