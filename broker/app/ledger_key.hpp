// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledger's private key: a file of the state folder (0600), beside the database and never in it; and, in another, what it
// signed last (ledger.signed), by which a database that was put back alone is known.

#include "broker/engine/notary.hpp"

#include <filesystem>

namespace hansa::app {

/// Reads `folder`/ledger.key, ledger.key.next and ledger.signed. A file that cannot be read, that others can read or that is none
/// (LEDGER_KEY_UNUSABLE) stops nobody but the notary: it has the error.
Result<engine::LedgerKeys> ledger_keys(const std::filesystem::path& folder, std::string name, Random& random);

/// BAD_WITNESS: a configured key is none; `where` names it.
Result<ledger::Verifier> witness_key(const std::string& where, const std::string& text);
Result<std::vector<ledger::Verifier>> ledger_witnesses(const std::vector<std::string>& keys);

/// The ledger's name in its checkpoints: of the broker's id, fit to be one.
std::string ledger_origin(std::string_view broker_id);

}  // namespace hansa::app
