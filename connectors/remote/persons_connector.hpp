// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site where each person logs in as themselves, with a short-lived certificate. What is said over a person's connection is said
// by programs of that person's account, so it counts for that person's jobs alone. The site's snapshot is asked for over a
// connection of the broker's own account there, which is the site's word.
//
// Strand: `executor`.

#include "broker/ports/site_connector.hpp"
#include "connectors/remote/credentials.hpp"
#include "connectors/remote/person_pool.hpp"
#include "connectors/remote/remote_connector.hpp"

#include <deque>
#include <functional>
#include <map>
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

struct PersonsOptions {
  PoolOptions pool;
  CallRates rates;
  LocalAccount own_account;  // the broker's own there
  CertificateSource certificates;
  /// The command gives another certificate whenever it is asked. Otherwise each must last for what is left of a job: a person has
  /// to log in for the next.
  bool renewed = true;
};

class PersonsConnector final : public ports::SiteConnector {
 public:
  /// `scheduler`, `random` and `log` outlive it.
  PersonsConnector(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random, ports::Log& log,
                   MemoryFolder folder, PersonsOptions options);

  /// Ends all connections. Afterwards, and after all calls have returned, it may be destroyed.
  async::Task<> close();

  [[nodiscard]] const PersonPool& people() const { return pool_; }

  [[nodiscard]] bool asks_as_persons() const override { return true; }
  void when_reachable(std::function<void()> tell) override { own_.when_reachable(std::move(tell)); }

  ports::Task<domain::SiteSnapshot> snapshot(ports::Deadline deadline) override;
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
  /// Of the site, by the broker's own account; no person's is logged in to for it.
  ports::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, ports::Deadline deadline) override;

 private:
  struct Accounting {
    std::string cursor;  // the person's own agent's
    MonotonicTime named_at{};  // when a job of theirs was last spoken of
    std::optional<MonotonicTime> read_at;  // to its end
  };
  Login named(const Principal& person, const LocalAccount& account);
  Result<Login> one_person(const std::vector<ports::SiteJob>& jobs);
  [[nodiscard]] UtcTime needed_until(const ports::SubmitRequest& request, ports::Deadline deadline) const;
  void resume_accounting(const ports::UsageCursor& from);
  [[nodiscard]] ports::UsageCursor cursor_after(const Login& last) const;
  ports::Task<ports::UsagePage> usage_of(Login login, std::string cursor, ports::Deadline deadline);

  /// A person's connection at the moment when something may leave over it.
  ports::Task<PersonPool::Hold> hold(Login login, LeavingRate* rate, ports::Deadline deadline);

  async::Scheduler& scheduler_;
  PersonsOptions options_;
  LeavingRate queries_, submits_, cancels_;
  Credentials credentials_;
  std::map<Login, Accounting> accounting_;
  std::deque<Login> round_;  // whose accounting is still to be read in this one
  RemoteConnector own_;
  PersonPool pool_;
};

}  // namespace hansa::connectors::remote
