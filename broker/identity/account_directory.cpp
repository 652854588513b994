// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/account_directory.hpp"

#include <algorithm>
#include <set>

namespace hansa::identity {

AccountDirectory::AccountDirectory(std::vector<SiteAccounts> sites, std::vector<ProjectMembers> projects, Load load,
                                   OnError on_error)
    : load_(std::move(load)), on_error_(std::move(on_error)) {
  for (auto& site : sites) {
    Entry entry{.accounts = std::move(site), .stamp = std::nullopt};
    // Like no file: the first question reads it again, since it may have changed after the configuration was read.
    if (entry.accounts.file) entry.stamp = Stamp{};
    const auto id = entry.accounts.site;
    sites_.emplace(id, std::move(entry));
  }
  for (const auto& [project, members, leads] : projects) {
    for (const auto& member : members) projects_[member].push_back(project);
    for (const auto& lead : leads) {
      led_[lead].push_back(project);
      if (auto& theirs = projects_[lead]; std::ranges::find(theirs, project) == theirs.end()) theirs.push_back(project);
    }
  }
}

std::optional<AccountDirectory::Stamp> AccountDirectory::stamp_of(const std::filesystem::path& file) {
  std::error_code error;
  Stamp stamp{.written = std::filesystem::last_write_time(file, error)};
  if (error) return std::nullopt;
  stamp.size = std::filesystem::file_size(file, error);
  return error ? std::nullopt : std::optional(stamp);
}

void AccountDirectory::refresh(Entry& entry) const {
  if (!entry.accounts.file) return;
  const auto now = stamp_of(*entry.accounts.file);
  if (now == entry.stamp) return;
  entry.stamp = now;  // also when it cannot be read: said once, not at every job
  auto loaded = load_(*entry.accounts.file);
  if (loaded) {
    entry.accounts.accounts = std::move(*loaded);
  } else {
    on_error_(entry.accounts.site, loaded.error());
  }
}

Result<LocalAccount> AccountDirectory::account_of(const Principal& person, const SiteId& site) const {
  const std::lock_guard lock(mutex_);
  const auto at = sites_.find(site);
  if (at == sites_.end()) return fail(ErrorKind::not_found, "SITE_NOT_FOUND", "there is no site \"" + site.str() + "\"");
  auto& entry = at->second;
  refresh(entry);
  const auto& [id, accounts, own_account, file] = entry.accounts;
  const auto account = accounts.find(person);
  if (account != accounts.end()) return own_account ? LocalAccount{} : account->second;
  return fail(ErrorKind::permission_denied, "NO_ACCOUNT",
              person.str() + " has no account at site " + site.str() + ": ask its operator for an entry \"" + person.str() +
                  "\" = \"<account>\" in " + (file ? file->filename().string() : std::string("the site's accounts")));
}

std::vector<LocalAccount> AccountDirectory::accounts_at(const SiteId& site) const {
  const std::lock_guard lock(mutex_);
  const auto at = sites_.find(site);
  if (at == sites_.end()) return {};
  refresh(at->second);
  if (at->second.accounts.own_account) return {LocalAccount()};
  std::set<LocalAccount> each;
  for (const auto& [person, account] : at->second.accounts.accounts) each.insert(account);
  return {each.begin(), each.end()};
}

std::vector<Principal> AccountDirectory::people_as(const LocalAccount& account, const SiteId& site) const {
  const std::lock_guard lock(mutex_);
  const auto at = sites_.find(site);
  if (at == sites_.end()) return {};
  refresh(at->second);
  std::vector<Principal> people;
  for (const auto& [person, theirs] : at->second.accounts.accounts) {
    if (at->second.accounts.own_account ? account.empty() : theirs == account) people.push_back(person);
  }
  return people;
}

std::vector<ProjectId> AccountDirectory::projects_of(const Principal& person) const {
  const auto at = projects_.find(person);
  return at == projects_.end() ? std::vector<ProjectId>{} : at->second;
}

std::vector<ProjectId> AccountDirectory::led_by(const Principal& person) const {
  const auto at = led_.find(person);
  return at == led_.end() ? std::vector<ProjectId>{} : at->second;
}

}  // namespace hansa::identity
