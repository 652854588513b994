// SPDX-License-Identifier: Apache-2.0
#pragma once
// Projects' members and each site's map from person to local account, the latter from files that may change while the broker
// runs: the next question after a change is answered from the new file. A file that became unreadable or wrong keeps the last
// good map and is reported once. Thread-safe.

#include "broker/ports/accounts.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>

namespace hansa::identity {

using AccountMap = std::map<Principal, LocalAccount>;

struct SiteAccounts {
  SiteId site;
  AccountMap accounts;                          // who may run there at all, and as whom
  bool own_account = false;                     // they all run as the broker's own account, whatever the map calls it
  std::optional<std::filesystem::path> file;    // where `accounts` came from, if from a file
};

struct ProjectMembers {
  ProjectId project;
  std::vector<Principal> members;
  std::vector<Principal> leads = {};            // members too
};

class AccountDirectory : public ports::Accounts {
 public:
  using Load = std::function<Result<AccountMap>(const std::filesystem::path&)>;
  using OnError = std::function<void(const SiteId&, const Error&)>;

  AccountDirectory(std::vector<SiteAccounts> sites, std::vector<ProjectMembers> projects, Load load, OnError on_error);

  [[nodiscard]] Result<LocalAccount> account_of(const Principal& person, const SiteId& site) const override;
  [[nodiscard]] std::vector<LocalAccount> accounts_at(const SiteId& site) const override;
  [[nodiscard]] std::vector<Principal> people_as(const LocalAccount& account, const SiteId& site) const override;
  [[nodiscard]] std::vector<ProjectId> projects_of(const Principal& person) const override;
  [[nodiscard]] std::vector<ProjectId> led_by(const Principal& person) const override;

 private:
  /// What a file looked like when it was read last.
  struct Stamp {
    std::filesystem::file_time_type written;
    std::uintmax_t size = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  struct Entry {
    SiteAccounts accounts;
    std::optional<Stamp> stamp;
  };
  void refresh(Entry& entry) const;
  static std::optional<Stamp> stamp_of(const std::filesystem::path& file);

  mutable std::mutex mutex_;
  mutable std::map<SiteId, Entry> sites_;
  std::map<Principal, std::vector<ProjectId>> projects_, led_;
  Load load_;
  OnError on_error_;
};

}  // namespace hansa::identity
