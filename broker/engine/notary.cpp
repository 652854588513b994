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

std::unexpected<Error> no_key() {
  return fail(ErrorKind::unavailable, "LEDGER_KEY_MISSING",
              "ledger.key is gone from the state folder, and the ledger names a key: restore that file from its backup and start "
              "hansad again; until then nothing is signed");
}

std::unexpected<Error> went_back(std::int64_t before, std::int64_t size) {
  return fail(ErrorKind::conflict, "LEDGER_WENT_BACK",
              "the ledger, of " + std::to_string(size) + " records, does not go on from the " + std::to_string(before) +
                  " that were signed last: put the newest database back. If that is lost, stop hansad and remove ledger.signed "
                  "from the state folder: a second history is signed from then on, which every witness will refuse");
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

Result<ledger::Signer> Notary::signer() const {
  const std::lock_guard lock(mutex_);
  if (!keys_.current) return std::unexpected(keys_.current.error());
  if (!*keys_.current) return no_key();
  return **keys_.current;
}

bool Notary::is_next(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return keys_.next && *keys_.next && (*keys_.next)->verifier().text() == key;
}

Result<std::optional<ledger::Checkpoint>> Notary::signed_last() const {
  const std::lock_guard lock(mutex_);
  return keys_.signed_last;
}

Result<void> Notary::keep_signed(const ledger::Checkpoint& made) {
  const std::lock_guard lock(mutex_);  // over a write of the file: the larger of two is to stay
  if (!keys_.keep_signed || !keys_.signed_last) return {};
  const auto& before = *keys_.signed_last;
  if (before && before->origin == made.origin && before->size >= made.size) return {};
  if (auto kept = keys_.keep_signed(made); !kept) return kept;
  keys_.signed_last = made;
  return {};
}

/// `signed_before` was read before the ledger's size was: that is no smaller then, unless the ledger went back.
async::Task<> Notary::compare(std::optional<ledger::Checkpoint> signed_before, std::int64_t size) {
  if (!signed_before || signed_before->origin != options_.origin) co_return Result<void>{};
  if (signed_before->size <= size) {
    auto root = co_await store_.ledger_root(signed_before->size);
    if (!root) co_return std::unexpected(root.error());
    if (*root == signed_before->root) co_return Result<void>{};
  }
  log_.write(ports::LogLevel::error, "the ledger does not go on from what was signed last: an older database was put back",
             {{"signed", std::to_string(signed_before->size)}, {"records", std::to_string(size)}});
  co_return went_back(signed_before->size, size);
}

async::Task<> Notary::start() {
  auto begun = co_await begin();
  remember(begun ? nullptr : &begun.error());
  co_return begun;
}

async::Task<ports::KeptCheckpoint> Notary::checkpoint() {
  auto made = co_await sign();
  remember(made ? nullptr : &made.error());
  co_return made;
}

/// A store that is busy says nothing of the ledger.
void Notary::remember(const Error* error) {
  if (error != nullptr && !error->code.starts_with("LEDGER_")) return;
  const std::lock_guard lock(mutex_);
  fault_ = error == nullptr ? "" : error->code;
}

std::string Notary::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

async::Task<> Notary::begin() {
  auto head = co_await store_.ledger_head();
  if (!head) co_return std::unexpected(head.error());
  {
    const std::lock_guard lock(mutex_);
    if (!keys_.next && keys_.current) {
      // Nothing is lost with it unless the ledger names it, which is seen below.
      log_.write(ports::LogLevel::error, "the ledger's next key is of no use; a change of keys draws another",
                 {{"code", keys_.next.error().code}, {"error", keys_.next.error().message}});
    }
    if (head->key.empty() && keys_.current && !*keys_.current && keys_.draw_first) {
      auto drawn = keys_.draw_first();
      if (drawn)
        keys_.current = std::move(*drawn);
      else
        keys_.current = std::unexpected(std::move(drawn.error()));
    }
  }
  if (!head->key.empty() && is_next(head->key)) {
    if (auto ended = co_await end_change(); !ended) co_return ended;
  }
  const auto own = signer();
  if (!own) co_return std::unexpected(own.error());
  const auto text = own->verifier().text();
  if (head->key.empty()) {
    auto added = co_await store_.append_record({.kind = "key",
                                                .at = clock_.now_utc(),
                                                .fields = key_fields(options_.origin, own->verifier(), nullptr),
                                                .after_key = ""});
    if (!added) co_return std::unexpected(added.error());
    log_.write(ports::LogLevel::info, "the ledger has a key: give it to whoever checks it", {{"key", text}});
  } else if (head->key != text) {
    co_return other_key();
  }
  auto before = signed_last();
  if (!before) co_return std::unexpected(before.error());
  co_return co_await compare(*before, head->size);
}

async::Task<> Notary::end_change() {
  if (auto changed = keys_.next_becomes_current(); !changed) co_return changed;
  std::string key;
  {
    const std::lock_guard lock(mutex_);
    key = (*keys_.next)->verifier().text();
    keys_.current = std::exchange(*keys_.next, std::nullopt);
  }
  log_.write(ports::LogLevel::info, "the ledger has another key: give it to whoever checks it", {{"key", key}});
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

/// The next key lies in one file: it is drawn anew only once it is known that the ledger does not name the one in there.
async::Task<ledger::Verifier> Notary::change_to_next() {
  auto signed_before = signed_last();
  if (!signed_before) co_return std::unexpected(signed_before.error());
  auto head = co_await store_.ledger_head();
  if (!head) co_return std::unexpected(head.error());
  if (!is_next(head->key)) {
    const auto before = signer();
    if (!before) co_return std::unexpected(before.error());
    if (head->key != before->verifier().text()) co_return other_key();
    // The right database, put back later, names the old key: that must not be gone by then.
    if (auto same = co_await compare(*signed_before, head->size); !same) co_return std::unexpected(same.error());
    auto next = keys_.draw_next();
    if (!next) co_return std::unexpected(next.error());
    const auto key = next->verifier();
    {
      const std::lock_guard lock(mutex_);
      keys_.next = std::move(*next);
    }
    auto added = co_await store_.append_record({.kind = "key",
                                                .at = clock_.now_utc(),
                                                .fields = key_fields(options_.origin, key, &*before),
                                                .after_key = before->verifier().text()});
    if (!added) co_return std::unexpected(added.error());
  }
  if (auto ended = co_await end_change(); !ended) co_return std::unexpected(ended.error());
  const auto now = signer();
  if (!now) co_return std::unexpected(now.error());
  co_return now->verifier();
}

async::Task<ports::KeptCheckpoint> Notary::sign() {
  auto signed_before = signed_last();  // before the head: that has at least as many records
  if (!signed_before) co_return std::unexpected(signed_before.error());
  auto head = co_await store_.ledger_head();
  if (!head) co_return std::unexpected(head.error());
  const auto key = signer();
  if (!key) co_return std::unexpected(key.error());
  if (head->key != key->verifier().text()) co_return other_key();
  if (auto same = co_await compare(*signed_before, head->size); !same) co_return std::unexpected(same.error());
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
    if ((*last)->size >= head->size) {  // more by now, if it was signed since
      if (auto kept = keep_signed(*before); !kept) co_return std::unexpected(kept.error());
      co_return **last;
    }
  }
  const ledger::Checkpoint now{options_.origin, head->size, head->root};
  if (auto kept = keep_signed(now); !kept) co_return std::unexpected(kept.error());
  ledger::Note note{.text = now.text(), .signatures = {}};
  note.signatures.push_back(ledger::sign_note(*key, note.text));
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

Result<ledger::Signature> Notary::sign_text(std::string_view text) const {
  const auto key = signer();
  if (!key) return std::unexpected(key.error());
  return ledger::sign_note(*key, text);
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
