// SPDX-License-Identifier: Apache-2.0
#pragma once
// The site's last word on who may do what here: in front of the site's connector, whatever a broker asks.
//
// A person without an entry in the site's own map is refused. The account is the map's; a broker may name it, but no other. Of a
// question about many jobs, those of people without an entry are left unseen (which proves nothing), and the others answered.
// What the site's own rules deny is not submitted.
// Strand: the connector's.

#include "broker/ports/accounts.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/agent/site_rules.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>

namespace hansa::connectors::agent {

struct GuardOptions {
  SiteId site;
  std::optional<LocalAccount> own_account;   // run_as = "self": everything runs as this one, which the connector calls ""
  bool own_people_only = false;              // run_as = "certificate": only who has that account is served
  std::map<ProjectId, std::string> projects; // the scheduler's accounts, if the site says them
  const SiteRules* rules = nullptr;          // outlives the guard; null: the site has none
};

class AccountGuard final : public ports::SiteConnector {
 public:
  /// `site` and `accounts` outlive it.
  AccountGuard(ports::SiteConnector& site, const ports::Accounts& accounts, GuardOptions options)
      : site_(site), accounts_(accounts), options_(std::move(options)) {}

  ports::Task<domain::SiteSnapshot> snapshot(ports::Deadline deadline) override;
  ports::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, ports::Deadline deadline) override;
  ports::Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, ports::Deadline deadline) override;
  ports::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, ports::Deadline deadline) override;
  ports::Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, ports::Deadline deadline) override;
  ports::Task<ports::SealOutcome> seal(ports::Fence fence, ports::Deadline deadline) override;
  ports::Task<ports::UsagePage> usage(ports::UsageCursor from, ports::Deadline deadline) override;
  ports::Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                              ports::Deadline deadline) override;
  ports::Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths,
                                                     ports::Deadline deadline) override;
  ports::Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                          ports::Deadline deadline) override;
  ports::Task<> remove_secrets(ports::SiteJob job, std::vector<std::string> files, ports::Deadline deadline) override;
  /// By the site's own map of projects, if it has one: of a project that is not in it nothing is told.
  ports::Task<ports::AccountLimits> account_limits(std::vector<ports::ProjectAccount> wanted, ports::Deadline deadline) override;
  /// Of the accounts of the site's own map: those of them that the broker names, or some if it names none.
  ports::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, ports::Deadline deadline) override;

 private:
  /// The account to use for what a broker asks for `person` as `asked`.
  [[nodiscard]] Result<LocalAccount> account_for(const Principal& person, const LocalAccount& asked) const;
  /// Gives `what` (a request, a job, a fence) its account.
  template <typename T>
  [[nodiscard]] Result<T> admitted(T what) const {
    auto account = account_for(what.person, what.account);
    if (!account) return std::unexpected(std::move(account.error()));
    what.account = std::move(*account);
    return what;
  }

  ports::SiteConnector& site_;
  const ports::Accounts& accounts_;
  GuardOptions options_;
};

}  // namespace hansa::connectors::agent
