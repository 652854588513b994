// SPDX-License-Identifier: Apache-2.0
#pragma once
// Signs the ledger's head, and keeps what witnesses say of it. A checkpoint is made when somebody asks for it: until it has left
// this machine it binds nobody. Before it signs it looks whether the ledger has grown from what was signed last, as the database
// has it and as a file beside the key has it: a database put back alone is found out, and nothing is signed. If that file is put
// back or removed as well, a second history is signed from the backup's size on; then every witness refuses, and says so.
// Callable from any thread; returns on the caller's executor.

#include "broker/ledger/note.hpp"
#include "broker/ports/ledger.hpp"
#include "broker/ports/log.hpp"

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace hansa::engine {

/// Where the private keys lie, and what was signed last: files of the state folder, in the product. None: there is no such file.
/// An error: it is of no use; the ledger is written, and not signed.
struct LedgerKeys {
  Result<std::optional<ledger::Signer>> current;
  Result<std::optional<ledger::Signer>> next;                     // of a change that was under way when the last process ended
  std::function<Result<ledger::Signer>()> draw_next;              // durable, beside the current one, in place of another next
  std::function<Result<void>()> next_becomes_current;             // the old one is gone then
  std::function<Result<ledger::Signer>()> draw_first = {};        // durable, as the current one; for a ledger without a key
  Result<std::optional<ledger::Checkpoint>> signed_last = {};
  std::function<Result<void>(const ledger::Checkpoint&)> keep_signed = {};  // durable, in place of the one before
};

class Notary {
 public:
  struct Options {
    std::string origin;                        // the ledger's name in its checkpoints
    std::vector<ledger::Verifier> witnesses;   // whose word is kept
  };
  Notary(Options options, LedgerKeys keys, ports::LedgerStore& store, const Clock& clock, ports::Log& log);

  /// Writes the key into a new ledger, drawn now if there is none; ends a change of keys that was cut off. Fails as checkpoint()
  /// would: then nothing is signed, and all else goes on.
  async::Task<> start();

  /// The newest checkpoint, of all records that there are, with what its witnesses said of it. Unavailable, LEDGER_KEY_UNUSABLE,
  /// LEDGER_KEY_MISSING: there is no key to sign with. Conflict, LEDGER_KEY: the ledger has another one; LEDGER_DIVERGED: it is
  /// not what its own checkpoints say; LEDGER_WENT_BACK: nor what was signed last on this machine.
  async::Task<ports::KeptCheckpoint> checkpoint();
  /// The code of what kept the last start() or checkpoint() from signing; "": nothing did.
  [[nodiscard]] std::string fault() const;
  /// As a note: the ledger's signature, then those of witnesses that are known here.
  [[nodiscard]] std::string note_of(const ports::KeptCheckpoint& checkpoint) const;

  /// By the key that signs checkpoints, a text that is none. Fails as checkpoint() does for want of a key.
  [[nodiscard]] Result<ledger::Signature> sign_text(std::string_view text) const;

  /// A witness's line of the checkpoint with this text. BAD_NOTE; permission_denied, UNKNOWN_WITNESS; BAD_COSIGNATURE; conflict,
  /// LEDGER_DIVERGED: the witness has seen another history.
  async::Task<> accept(std::string checkpoint_text, std::string line);

  /// From now on another key signs; the old one says so in the ledger, and is gone. Asked again after a failure it ends the
  /// change that was begun. Conflict, KEY_CHANGING: somebody is at it; otherwise as checkpoint().
  async::Task<ledger::Verifier> change_key();

  [[nodiscard]] const Options& options() const { return options_; }

 private:
  async::Task<> begin();
  async::Task<ports::KeptCheckpoint> sign();
  void remember(const Error* error);
  async::Task<ledger::Verifier> change_to_next();
  async::Task<> end_change();
  async::Task<> compare(std::optional<ledger::Checkpoint> signed_before, std::int64_t size);
  [[nodiscard]] Result<ledger::Signer> signer() const;
  [[nodiscard]] bool is_next(const std::string& key) const;
  [[nodiscard]] Result<std::optional<ledger::Checkpoint>> signed_last() const;
  Result<void> keep_signed(const ledger::Checkpoint& made);

  const Options options_;
  LedgerKeys keys_;
  bool changing_ = false;
  std::string fault_;
  mutable std::mutex mutex_;  // guards these three; never held while anything is awaited
  ports::LedgerStore& store_;
  const Clock& clock_;
  ports::Log& log_;
};

}  // namespace hansa::engine
