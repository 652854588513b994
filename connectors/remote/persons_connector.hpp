// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site where each person logs in as themselves, with a short-lived certificate. The site's snapshot is asked for over a
// connection of the broker's own account there, which is the site's word.
//
// Strand: `executor`.

#include "connectors/remote/as_persons.hpp"
#include "connectors/remote/credentials.hpp"
#include "connectors/remote/person_pool.hpp"
#include "connectors/remote/remote_connector.hpp"
#include "connectors/remote/ssh.hpp"

#include <functional>

namespace hansa::connectors::remote {

struct PersonsOptions {
  PoolOptions pool;
  SshOptions ssh;  // without user and identity
  CallRates rates;
  LocalAccount own_account;  // the broker's own there
  CertificateSource certificates;
  /// The command gives another certificate whenever it is asked. Otherwise each must last for what is left of a job: a person has
  /// to log in for the next.
  bool renewed = true;
  OwnerOf owner_of = {};
};

class PersonsConnector final : public AsPersons {
 public:
  /// `scheduler`, `random` and `log` outlive it.
  PersonsConnector(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random, ports::Log& log,
                   MemoryFolder folder, PersonsOptions options);

  /// Ends all connections. Afterwards, and after all calls have returned, it may be destroyed.
  async::Task<> close();

  [[nodiscard]] const PersonPool& people() const { return pool_; }

  void when_reachable(std::function<void()> tell) override { own_.when_reachable(std::move(tell)); }

  ports::Task<domain::SiteSnapshot> snapshot(ports::Deadline deadline) override;
  /// Of the site, by the broker's own account; no person's is logged in to for it.
  ports::Task<ports::AccountLimits> account_limits(std::vector<ports::ProjectAccount> wanted, ports::Deadline deadline) override;
  ports::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, ports::Deadline deadline) override;

 private:
  ports::Task<PersonPool::Hold> hold_of(Login login, ports::Deadline deadline) override {
    return pool_.hold(std::move(login), deadline);
  }
  ports::Task<> may_submit(Login login, Seconds time_limit, ports::Deadline deadline) override;
  ports::Task<UtcTime> good_until(Login login, ports::Deadline deadline);

  async::Scheduler& scheduler_;
  PersonsOptions options_;
  Credentials credentials_;
  RemoteConnector own_;
  PersonPool pool_;
};

}  // namespace hansa::connectors::remote
