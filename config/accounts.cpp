// SPDX-License-Identifier: Apache-2.0
#include "config/accounts.hpp"

#include "config/reader.hpp"
#include "config/text_file.hpp"

namespace hansa::config {

Result<AccountMap> parse_accounts(std::string_view text, const std::filesystem::path& file) {
  const auto document = parse_toml(text, file.string());
  if (!document) return std::unexpected(document.error());
  Findings findings(file.string());
  AccountMap accounts;
  for (const auto& entry : document->items) {
    const auto key = shown(entry.key);
    const auto key_fault = text_fault(kPrincipal, entry.key);
    if (key_fault) findings.add(entry.key_at, key, "the key " + *key_fault);
    if (entry.kind != Node::Kind::text) {
      // A person's name without quotes ("local.alice = ...") arrives here as a table, too.
      if (!key_fault) findings.add(entry.at, key, "allowed: " + std::string(kLocalAccount.allowed) + ", in quotes");
      continue;
    }
    if (auto fault = text_fault(kLocalAccount, entry.text)) {
      findings.add(entry.at, key, std::move(*fault));
      continue;
    }
    if (!key_fault) accounts.emplace(Principal(entry.key), LocalAccount(entry.text));
  }
  if (!findings.empty()) return std::unexpected(configuration_error(file.string(), findings.faults()));
  return accounts;
}

Result<AccountMap> load_accounts(const std::filesystem::path& file) {
  const auto text = read_text_file(file.string(), kMaxAccountsBytes);
  if (!text) return std::unexpected(text.error());
  return parse_accounts(*text, file);
}

}  // namespace hansa::config
