// SPDX-License-Identifier: Apache-2.0
#pragma once
// Signed notes (C2SP signed-note), the checkpoints of a log that they carry (tlog-checkpoint) and what witnesses add to them
// (tlog-cosignature, v1): text that a person can read, a program of another make can check, and nobody else can write.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/ledger/ed25519.hpp"
#include "broker/ledger/merkle.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::ledger {

/// What a key signs: notes, or (as a witness) somebody else's checkpoints at a time.
enum class KeyUse : std::uint8_t { note = 1, cosignature = 4 };

/// Non-empty, without blanks, '+' or control characters, at most 128 bytes.
bool is_key_name(std::string_view name);

/// A key that others can check: "name+keyid+base64(type, key)".
struct Verifier {
  std::string name;
  KeyUse use = KeyUse::note;
  PublicKey key{};

  /// Its id in signatures: 4 bytes.
  [[nodiscard]] std::string id() const;
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Verifier&, const Verifier&) = default;
};
/// BAD_KEY: it is none, or its id is another key's.
Result<Verifier> parse_verifier(std::string_view text);

/// A private key: "PRIVATE+KEY+name+keyid+base64(type, seed)", one line, as Go's note package has it.
struct Signer {
  std::string name;
  Secret seed;  // 32 bytes

  [[nodiscard]] Verifier verifier(KeyUse use = KeyUse::note) const { return {name, use, public_key_of(seed)}; }
  [[nodiscard]] Secret text() const;
};
Result<Signer> parse_signer(std::string_view text);
Signer new_signer(std::string name, Random& random);

struct Signature {
  std::string name;
  std::string bytes;  // key id, then what the key made
  friend bool operator==(const Signature&, const Signature&) = default;
};
/// "— name base64\n".
std::string line_of(const Signature& signature);

struct Note {
  std::string text;  // ends with a newline
  std::vector<Signature> signatures;

  [[nodiscard]] std::string str() const;
};
/// BAD_NOTE. What it takes is written as str() writes it: no byte of a note is without meaning. At most 64 signatures.
Result<Note> parse_note(std::string_view text);
/// One "— name base64\n".
Result<Signature> parse_signature(std::string_view line);

Signature sign_note(const Signer& signer, std::string_view text);
/// A witness's, of a checkpoint that it found consistent at `at`.
Signature cosign(const Signer& witness, std::string_view checkpoint_text, UtcTime at);

/// Whether it is this key's, by name and id.
bool names(const Signature& signature, const Verifier& key);
/// Whether this key made it for this text.
bool is_valid(const Signature& signature, const Verifier& key, std::string_view text);
/// When a cosignature was made.
UtcTime time_of(const Signature& cosignature);

/// The head of a log.
struct Checkpoint {
  std::string origin;
  std::int64_t size = 0;
  Hash root{};

  [[nodiscard]] std::string text() const;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};
/// The three lines of a note's text; with others, or written otherwise, it is none of ours: BAD_NOTE.
Result<Checkpoint> parse_checkpoint(std::string_view text);

/// What a log's old key signs when another one takes its place.
std::string key_change_text(std::string_view origin, const Verifier& next);

/// Hashes as proofs travel, base 64.
std::string base64_of(const Hash& hash);
std::optional<Hash> hash_of(std::string_view base64);

}  // namespace hansa::ledger
