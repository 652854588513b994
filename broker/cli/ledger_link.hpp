// SPDX-License-Identifier: Apache-2.0
#pragma once
// The broker's ledger as a command sees it. What comes is believed only once it has been checked.

#include "broker/cli/session.hpp"
#include "broker/ledger/export_check.hpp"

#include <functional>

namespace hansa::cli {

/// Error: what answered was no ledger's.
std::unexpected<Error> no_ledger(const std::string& what);

/// GET of a JSON document.
Result<Json> ask_ledger(Session& session, const std::string& target);
/// A proof's hashes.
Result<std::vector<ledger::Hash>> path_of(const Json& list);

struct SignedCheckpoint {
  ledger::Note note;
  ledger::Checkpoint head;
};
/// The newest, signed now if need be. Who signed it is the caller's to check.
Result<SignedCheckpoint> newest_checkpoint(Session& session);
Result<SignedCheckpoint> read_checkpoint(std::string_view note);

/// The newest export, handed to `take` in pieces.
Result<void> stream_export(Session& session, bool with_personal, const std::function<Result<void>(std::string_view)>& take);

}  // namespace hansa::cli
