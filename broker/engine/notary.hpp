// SPDX-License-Identifier: Apache-2.0
#pragma once
// Signs the ledger's head, and keeps what witnesses say of it. A checkpoint is made when somebody asks for it: until it has left
// this machine it binds nobody. Before it signs it looks whether the ledger has grown from the last one it signed: it never signs
// two histories. Callable from any thread; returns on the caller's executor.

#include "broker/ledger/note.hpp"
#include "broker/ports/ledger.hpp"
#include "broker/ports/log.hpp"

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace hansa::engine {

/// Where the private keys lie: files of the state folder, in the product.
struct LedgerKeys {
  ledger::Signer current;
  std::optional<ledger::Signer> next;                             // of a change that was under way when the last process ended
  std::function<Result<ledger::Signer>()> draw_next;              // durable, beside the current one
  std::function<Result<void>()> next_becomes_current;             // the old one is gone then
};

class Notary {
 public:
  struct Options {
    std::string origin;                        // the ledger's name in its checkpoints
    std::vector<ledger::Verifier> witnesses;   // whose word is kept
  };
  Notary(Options options, LedgerKeys keys, ports::LedgerStore& store, const Clock& clock, ports::Log& log);

  /// Writes the key into a new ledger; ends a change of keys that was cut off. Conflict, LEDGER_KEY: the ledger has another key
  /// than the one here. Then nothing is signed, and all else goes on.
  async::Task<> start();

  /// The newest checkpoint, of all records that there are, with what its witnesses said of it. Conflict, LEDGER_KEY;
  /// LEDGER_DIVERGED: the ledger is not the one that was signed before.
  async::Task<ports::KeptCheckpoint> checkpoint();
  /// As a note: the ledger's signature, then those of witnesses that are known here.
  [[nodiscard]] std::string note_of(const ports::KeptCheckpoint& checkpoint) const;

  /// A witness's line of the checkpoint with this text. BAD_NOTE; permission_denied, UNKNOWN_WITNESS; BAD_COSIGNATURE; conflict,
  /// LEDGER_DIVERGED: the witness has seen another history.
  async::Task<> accept(std::string checkpoint_text, std::string line);

  /// From now on another key signs; the old one says so in the ledger, and is gone. Conflict, KEY_CHANGING: somebody is at it.
  async::Task<ledger::Verifier> change_key();

  [[nodiscard]] const Options& options() const { return options_; }

 private:
  async::Task<ledger::Verifier> change_to_next();
  async::Task<> end_change();
  [[nodiscard]] ledger::Signer signer() const;

  const Options options_;
  LedgerKeys keys_;
  bool changing_ = false;
  mutable std::mutex mutex_;  // guards the keys; never held while anything is awaited
  ports::LedgerStore& store_;
  const Clock& clock_;
  ports::Log& log_;
};

}  // namespace hansa::engine
