// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/persons_connector.hpp"

#include "connectors/remote/certificate_carrier.hpp"

#include <utility>

namespace hansa::connectors::remote {

using ports::Deadline;
using ports::Task;

namespace {

constexpr Milliseconds kAfterTheJob{600'000};  // its state, usage and output, where certificates are not renewed

}  // namespace

PersonsConnector::PersonsConnector(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random,
                                   ports::Log& log, MemoryFolder folder, PersonsOptions options)
    : AsPersons(scheduler, log, options.pool.site, options.rates, std::move(options.owner_of)),
      scheduler_(scheduler),
      options_(std::move(options)),
      credentials_(executor, scheduler, options_.certificates, std::move(folder)),
      own_(executor, scheduler, random, log,
           std::make_unique<CertificateCarrier>(
               scheduler, log, options_.pool.site, options_.ssh, credentials_,
               Login{.person = Principal("broker:" + options_.pool.site.str()), .account = options_.own_account}),
           LinkOptions{.site = options_.pool.site, .name = options_.pool.name, .session = options_.pool.session}),
      pool_(
          executor, scheduler, random, log, options_.pool,
          [this](Login login, Deadline deadline) { return good_until(std::move(login), deadline); },
          [this, &log](const Login& login) {
            return std::make_unique<CertificateCarrier>(scheduler_, log, options_.pool.site, options_.ssh, credentials_, login);
          }) {}

async::Task<> PersonsConnector::close() {
  auto pool = co_await pool_.close();
  auto own = co_await own_.close();
  co_return own ? pool : own;
}

Task<UtcTime> PersonsConnector::good_until(Login login, Deadline deadline) {
  const auto credential = co_await credentials_.of(std::move(login), scheduler_.now_utc(), deadline);
  if (!credential) co_return std::unexpected(credential.error());
  co_return (*credential)->certificate.ends;
}

Task<> PersonsConnector::may_submit(Login login, Seconds time_limit, Deadline deadline) {
  const auto now = scheduler_.now_utc();
  const auto until = now + (options_.renewed ? deadline.remaining(scheduler_) : time_limit + kAfterTheJob);
  if (auto good = co_await credentials_.of(std::move(login), until, deadline); !good) co_return std::unexpected(good.error());
  co_return Result<void>{};
}

Task<domain::SiteSnapshot> PersonsConnector::snapshot(Deadline deadline) {
  if (auto ready = co_await own_.ready(deadline); !ready) co_return std::unexpected(ready.error());
  if (auto passed = co_await queries_.pass(deadline); !passed) co_return std::unexpected(passed.error());
  co_return co_await own_.snapshot(deadline);
}

Task<ports::AccountLimits> PersonsConnector::account_limits(std::vector<ports::ProjectAccount> wanted, Deadline deadline) {
  if (auto ready = co_await own_.ready(deadline); !ready) co_return std::unexpected(ready.error());
  if (auto passed = co_await queries_.pass(deadline); !passed) co_return std::unexpected(passed.error());
  co_return co_await own_.account_limits(std::move(wanted), deadline);
}

Task<domain::DoctorReport> PersonsConnector::doctor(ports::DoctorRequest request, Deadline deadline) {
  if (auto ready = co_await own_.ready(deadline); !ready) co_return std::unexpected(ready.error());
  if (auto passed = co_await queries_.pass(deadline); !passed) co_return std::unexpected(passed.error());
  co_return co_await own_.doctor(std::move(request), deadline);
}

}  // namespace hansa::connectors::remote
