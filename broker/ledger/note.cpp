// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/note.hpp"

#include "broker/core/encoding.hpp"

#include <algorithm>
#include <charconv>
#include <span>

namespace hansa::ledger {
namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // em dash, blank
constexpr std::string_view kPrivate = "PRIVATE+KEY+";
constexpr std::size_t kIdBytes = 4, kTimeBytes = 8;
constexpr std::size_t kMostSignatures = 64;

std::unexpected<Error> bad_note(std::string what) {
  return fail(ErrorKind::invalid_argument, "BAD_NOTE", "no signed note: " + what);
}
std::unexpected<Error> bad_key(std::string what) { return fail(ErrorKind::invalid_argument, "BAD_KEY", "no key: " + what); }

/// The decoded bytes, of the one spelling that to_base64 gives them.
std::optional<std::string> strictly_decoded(std::string_view base64) {
  auto bytes = from_base64(base64);
  if (!bytes || to_base64(*bytes) != base64) return std::nullopt;
  return bytes;
}

std::string key_text(const Verifier& key) {
  std::string text(1, static_cast<char>(key.use));
  return text.append(reinterpret_cast<const char*>(key.key.data()), key.key.size());
}

/// "a+b+c" -> a, b, c: the third may hold more of them, being base 64.
std::optional<std::array<std::string_view, 3>> in_three(std::string_view text) {
  const auto first = text.find('+');
  const auto second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  return std::array{text.substr(0, first), text.substr(first + 1, second - first - 1), text.substr(second + 1)};
}

/// What a cosignature signs.
std::string cosigned(std::string_view text, std::uint64_t seconds) {
  return "cosignature/v1\ntime " + std::to_string(seconds) + "\n" + std::string(text);
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const auto byte : bytes) value = (value << 8U) | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

bool is_key_name(std::string_view name) {
  // All of Unicode's other blanks are refused with everything outside ASCII: names of ours need none.
  return !name.empty() && name.size() <= 128 &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f' && c != '+'; });
}

std::string Verifier::id() const {
  const auto hash = sha256(name + "\n" + key_text(*this));
  return {reinterpret_cast<const char*>(hash.data()), kIdBytes};
}

std::string Verifier::text() const { return name + "+" + hex_of(id()) + "+" + to_base64(key_text(*this)); }

Result<Verifier> parse_verifier(std::string_view text) {
  const auto parts = in_three(text);
  if (!parts) return bad_key("it is written name+id+key");
  const auto bytes = strictly_decoded((*parts)[2]);
  if (!is_key_name((*parts)[0])) return bad_key("its name has a blank, or none is there");
  if (!bytes || bytes->size() != 33 || (bytes->front() != 1 && bytes->front() != 4))
    return bad_key("only Ed25519 keys are known, of notes (type 1) and of witnesses (type 4)");
  Verifier key{.name = std::string((*parts)[0]), .use = static_cast<KeyUse>(bytes->front())};
  std::copy(bytes->begin() + 1, bytes->end(), key.key.begin());
  if (key.text() != text) return bad_key("its id is not that of its name and key");
  return key;
}

Secret Signer::text() const {
  std::string bytes(1, static_cast<char>(KeyUse::note));
  bytes += seed.reveal();
  return Secret(std::string(kPrivate) + name + "+" + hex_of(verifier().id()) + "+" + to_base64(bytes));
}

Result<Signer> parse_signer(std::string_view text) {
  if (!text.starts_with(kPrivate)) return bad_key("a private one begins with " + std::string(kPrivate));
  const auto parts = in_three(text.substr(kPrivate.size()));
  if (!parts) return bad_key("it is written " + std::string(kPrivate) + "name+id+key");
  const auto bytes = strictly_decoded((*parts)[2]);
  if (!is_key_name((*parts)[0]) || !bytes || bytes->size() != 33 || bytes->front() != 1)
    return bad_key("it is not an Ed25519 key with a name");
  Signer signer{.name = std::string((*parts)[0]), .seed = Secret(bytes->substr(1))};
  if (signer.text().reveal() != text) return bad_key("its id is not that of its name and key");
  return signer;
}

Signer new_signer(std::string name, Random& random) {
  std::string seed(32, '\0');
  random.fill(std::as_writable_bytes(std::span(seed)));
  return {.name = std::move(name), .seed = Secret(std::move(seed))};
}

std::string line_of(const Signature& signature) {
  return std::string(kDash) + signature.name + " " + to_base64(signature.bytes) + "\n";
}

std::string Note::str() const {
  auto all = text + "\n";
  for (const auto& signature : signatures) all += line_of(signature);
  return all;
}

Result<Signature> parse_signature(std::string_view line) {
  if (!line.starts_with(kDash) || !line.ends_with('\n')) return bad_note("a signature is a line that begins with an em dash");
  line = line.substr(kDash.size(), line.size() - kDash.size() - 1);
  const auto blank = line.find(' ');
  const auto bytes = blank == std::string_view::npos ? std::nullopt : strictly_decoded(line.substr(blank + 1));
  if (!bytes || bytes->size() <= kIdBytes || !is_key_name(line.substr(0, blank)))
    return bad_note("a signature has a key's name and its bytes in base 64");
  return Signature{.name = std::string(line.substr(0, blank)), .bytes = *bytes};
}

Result<Note> parse_note(std::string_view text) {
  if (!is_utf8(text) || std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\n'; }))
    return bad_note("it is not plain text");
  const auto end = text.rfind("\n\n");
  if (end == std::string_view::npos || end == 0) return bad_note("it has no text, or no signatures behind an empty line");
  Note note{.text = std::string(text.substr(0, end + 1)), .signatures = {}};
  for (auto rest = text.substr(end + 2); !rest.empty();) {
    const auto line_end = rest.find('\n');
    if (line_end == std::string_view::npos) return bad_note("its last line does not end");
    auto signature = parse_signature(rest.substr(0, line_end + 1));
    if (!signature) return std::unexpected(std::move(signature.error()));
    if (note.signatures.size() == kMostSignatures) return bad_note("it has more than 64 signatures");
    note.signatures.push_back(std::move(*signature));
    rest.remove_prefix(line_end + 1);
  }
  if (note.signatures.empty()) return bad_note("it has no signatures");
  return note;
}

Signature sign_note(const Signer& signer, std::string_view text) {
  return {.name = signer.name, .bytes = signer.verifier().id() + sign(signer.seed, text)};
}

Signature cosign(const Signer& witness, std::string_view checkpoint_text, UtcTime at) {
  const auto seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(0, to_unix_seconds(at)));
  std::string bytes = witness.verifier(KeyUse::cosignature).id();
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>((seconds >> static_cast<unsigned>(shift)) & 0xffU);
  return {.name = witness.name, .bytes = bytes + sign(witness.seed, cosigned(checkpoint_text, seconds))};
}

bool names(const Signature& signature, const Verifier& key) {
  return signature.name == key.name && signature.bytes.starts_with(key.id());
}

bool is_valid(const Signature& signature, const Verifier& key, std::string_view text) {
  if (!names(signature, key)) return false;
  const std::string_view made = std::string_view(signature.bytes).substr(kIdBytes);
  if (key.use == KeyUse::note) return is_signed_by(key.key, text, made);
  if (made.size() != kTimeBytes + 64) return false;
  return is_signed_by(key.key, cosigned(text, big_endian(made.substr(0, kTimeBytes))), made.substr(kTimeBytes));
}

UtcTime time_of(const Signature& cosignature) {
  constexpr std::uint64_t kMost = 253'402'300'799;  // the year 9999
  if (cosignature.bytes.size() < kIdBytes + kTimeBytes) return {};
  const auto seconds = big_endian(std::string_view(cosignature.bytes).substr(kIdBytes, kTimeBytes));
  return from_unix_seconds(static_cast<std::int64_t>(std::min(seconds, kMost)));
}

std::string Checkpoint::text() const { return origin + "\n" + std::to_string(size) + "\n" + base64_of(root) + "\n"; }

Result<Checkpoint> parse_checkpoint(std::string_view text) {
  std::vector<std::string_view> lines;
  for (auto rest = text; !rest.empty() && lines.size() < 4;) {
    const auto end = rest.find('\n');
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  Checkpoint checkpoint;
  const auto root = lines.size() == 3 ? hash_of(lines[2]) : std::nullopt;
  if (!root) return bad_note("a checkpoint has three lines: origin, size, root");
  checkpoint.origin = lines[0];
  checkpoint.root = *root;
  const auto* end = lines[1].data() + lines[1].size();
  if (std::from_chars(lines[1].data(), end, checkpoint.size).ptr != end || checkpoint.size < 0 || checkpoint.origin.empty() ||
      checkpoint.text() != text)
    return bad_note("a checkpoint's size is a number without leading zeros");
  return checkpoint;
}

std::string key_change_text(std::string_view origin, const Verifier& next) {
  return "hansa-ledger-key/1\n" + std::string(origin) + "\n" + next.text() + "\n";
}

std::string base64_of(const Hash& hash) { return to_base64(bytes_of(hash)); }

std::optional<Hash> hash_of(std::string_view base64) {
  const auto bytes = strictly_decoded(base64);
  Hash hash{};
  if (!bytes || bytes->size() != hash.size()) return std::nullopt;
  std::ranges::transform(*bytes, hash.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
  return hash;
}

}  // namespace hansa::ledger
