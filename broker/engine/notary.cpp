// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/notary.hpp"

#include "broker/core/encoding.hpp"

#include <algorithm>
#include <utility>

namespace hansa::engine {
namespace {

std::unexpected<Error> other_key() {
  return fail(
      ErrorKind::conflict, "LEDGER_KEY",
      "the ledger was signed with another key than the one in ledger.key: restore that file from the backup that belongs to "
      "the database; until then nothing is signed");
}

std::unexpected<Error> diverged(std::int64_t size) {
  return fail(ErrorKind::conflict, "LEDGER_DIVERGED",
              "the ledger's first " + std::to_string(size) +
                  " records are not those that were signed: nothing is signed until the right database is back");
}

/// What the new key's record says; the first has nobody to vouch for it.
Json key_fields(const std::string& origin, const ledger::Verifier& key, const ledger::Signer* before) {
  Json fields{{"key", key.text()}};
  if (before != nullptr) fields["signature"] = to_base64(ledger::sign(before->seed, ledger::key_change_text(origin, key)));
  return fields;
}

}  // namespace

Notary::Notary(Options options, LedgerKeys keys, ports::LedgerStore& store, const Clock& clock, ports::Log& log)
    : options_(std::move(options)), keys_(std::move(keys)), store_(store), clock_(clock), log_(log) {}

ledger::Signer Notary::signer() const {
  const std::lock_guard lock(mutex_);
  return keys_.current;
}

async::Task<> Notary::start() {
  auto head = co_await store_.ledger_head();
  if (!head) co_return std::unexpected(head.error());
  const auto own = signer().verifier();
  if (head->key.empty()) {
    auto added = co_await store_.append_record(
        {.kind = "key", .at = clock_.now_utc(), .fields = key_fields(options_.origin, own, nullptr), .after_key = ""});
    if (!added) co_return std::unexpected(added.error());
    log_.write(ports::LogLevel::info, "the ledger has a key: give it to whoever checks it", {{"key", own.text()}});
    co_return Result<void>{};
  }
  if (head->key == own.text()) co_return Result<void>{};  // a next one, if there is one, was never told to the ledger
  if (keys_.next && keys_.next->verifier().text() == head->key) co_return co_await end_change();
  co_return other_key();
}

async::Task<> Notary::end_change() {
  if (auto changed = keys_.next_becomes_current(); !changed) co_return changed;
  {
    const std::lock_guard lock(mutex_);
    keys_.current = *keys_.next;
    keys_.next.reset();
  }
  log_.write(ports::LogLevel::info, "the ledger has another key: give it to whoever checks it",
             {{"key", signer().verifier().text()}});
  co_return Result<void>{};
}

async::Task<ledger::Verifier> Notary::change_key() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(changing_, true))
      co_return fail(ErrorKind::conflict, "KEY_CHANGING", "the ledger's key is being changed already");
  }
  auto changed = co_await change_to_next();
  const std::lock_guard lock(mutex_);
  changing_ = false;
  co_return changed;
}

async::Task<ledger::Verifier> Notary::change_to_next() {
  const auto before = signer();
  auto next = keys_.draw_next();
  if (!next) co_return std::unexpected(next.error());
  const auto key = next->verifier();
  {
    const std::lock_guard lock(mutex_);
    keys_.next = std::move(*next);
  }
  auto added = co_await store_.append_record({.kind = "key",
                                              .at = clock_.now_utc(),
                                              .fields = key_fields(options_.origin, key, &before),
                                              .after_key = before.verifier().text()});
  if (!added) co_return std::unexpected(added.error());
  if (auto ended = co_await end_change(); !ended) co_return std::unexpected(ended.error());
  co_return key;
}

async::Task<ports::KeptCheckpoint> Notary::checkpoint() {
  auto head = co_await store_.ledger_head();
  if (!head) co_return std::unexpected(head.error());
  const auto key = signer();
  if (head->key != key.verifier().text()) co_return other_key();
  auto last = co_await store_.last_checkpoint();
  if (!last) co_return std::unexpected(last.error());
  if (*last) {
    const auto note = ledger::parse_note((*last)->note);
    const auto before = note ? ledger::parse_checkpoint(note->text) : Result<ledger::Checkpoint>(std::unexpected(note.error()));
    auto root = co_await store_.ledger_root((*last)->size);
    if (!before || before->size != (*last)->size || !root || before->root != *root) {
      log_.write(ports::LogLevel::error, "the ledger is not the one that was signed",
                 {{"size", std::to_string((*last)->size)}, {"records", std::to_string(head->size)}});
      co_return diverged((*last)->size);
    }
    if ((*last)->size >= head->size) co_return **last;  // more by now, if it was signed since
  }
  ledger::Note note{.text = ledger::Checkpoint{options_.origin, head->size, head->root}.text(), .signatures = {}};
  note.signatures.push_back(ledger::sign_note(key, note.text));
  ports::KeptCheckpoint made{.size = head->size, .note = note.str(), .at = clock_.now_utc(), .cosignatures = {}};
  if (auto kept = co_await store_.keep_checkpoint(made); !kept) co_return std::unexpected(kept.error());
  co_return made;
}

std::string Notary::note_of(const ports::KeptCheckpoint& checkpoint) const {
  auto note = checkpoint.note;
  for (const auto& cosignature : checkpoint.cosignatures) {
    const auto signature = ledger::parse_signature(cosignature.line);
    if (signature && std::ranges::any_of(options_.witnesses, [&](const auto& key) { return ledger::names(*signature, key); }))
      note += cosignature.line;
  }
  return note;
}

async::Task<> Notary::accept(std::string checkpoint_text, std::string line) {
  const auto checkpoint = ledger::parse_checkpoint(checkpoint_text);
  if (!checkpoint) co_return std::unexpected(checkpoint.error());
  const auto signature = ledger::parse_signature(line);
  if (!signature) co_return std::unexpected(signature.error());
  const auto witness =
      std::ranges::find_if(options_.witnesses, [&](const ledger::Verifier& key) { return ledger::names(*signature, key); });
  if (witness == options_.witnesses.end()) {
    co_return fail(ErrorKind::permission_denied, "UNKNOWN_WITNESS",
                   "the key of " + signature->name + " is no witness's here: an operator adds it as a [[witness]]");
  }
  if (!ledger::is_valid(*signature, *witness, checkpoint_text))
    co_return fail(ErrorKind::invalid_argument, "BAD_COSIGNATURE", "the cosignature is not of this checkpoint");
  auto root = co_await store_.ledger_root(checkpoint->size);
  if (checkpoint->origin != options_.origin || !root || *root != checkpoint->root) {
    log_.write(ports::LogLevel::error, "a witness has seen another history of the ledger",
               {{"witness", witness->name}, {"size", std::to_string(checkpoint->size)}});
    co_return diverged(checkpoint->size);
  }
  co_return co_await store_.keep_cosignature(checkpoint->size, {.witness = witness->name, .line = line, .at = clock_.now_utc()});
}

}  // namespace hansa::engine
