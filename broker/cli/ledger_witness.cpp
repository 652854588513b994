// SPDX-License-Identifier: Apache-2.0
// A witness of a ledger: looks whether what the broker signs now has grown from what it signed when the witness looked last, and
// vouches for that with a key of its own. What it saw lies in the witness's folder; a ledger that was rewritten, cut back to a
// backup, or told to somebody else in another way cannot get past it.
#include "broker/cli/commands.hpp"
#include "broker/cli/durable_file.hpp"
#include "broker/cli/files.hpp"
#include "broker/cli/ledger_link.hpp"
#include "broker/core/encoding.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace hansa::cli {
namespace {

constexpr std::size_t kLargestFile = std::size_t{64} << 10;

/// What the ledger had signed when the witness looked last.
struct Memory {
  ledger::Verifier key;  // that it signed with
  SignedCheckpoint seen;
};

bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<void> write_file(const std::string& path, std::string_view text, DurableFile::Existing existing) {
  auto file = DurableFile::create(path, false, existing);
  if (!file) return std::unexpected(file.error());
  if (auto written = file->append(text); !written) return written;
  return file->finish();
}

Result<ledger::Signer> own_key(Session& session, const std::string& folder, std::optional<std::string_view> name) {
  const auto path = folder + "/witness.key";
  if (!is_there(path)) {
    if (!name || !ledger::is_key_name(*name)) {
      return fail(ErrorKind::invalid_argument, "USAGE",
                  "a new witness needs --name: who it is, as auditor.example, without blanks and \"+\"");
    }
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
      return fail(ErrorKind::invalid_argument, "CANNOT_WRITE", folder + " cannot be made: " + std::strerror(errno));
    auto key = ledger::new_signer(std::string(*name), session.outside().random);
    if (auto written = write_file(path, std::string(key.text().reveal()) + "\n", DurableFile::Existing::refuse); !written)
      return std::unexpected(written.error());
    session.note("a new witness; an operator puts its key among broker.witnesses of hansad.toml");
    return key;
  }
  const auto file = read_file(path, kLargestFile);
  if (!file) return std::unexpected(file.error());
  if (file->exposed) return fail(ErrorKind::invalid_argument, "KEY_EXPOSED", "others may read " + path + ": make a new witness");
  return ledger::parse_signer(std::string_view(file->text).substr(0, file->text.find('\n')));
}

/// The ledger's key, a line, then the note that it signed.
Result<std::optional<Memory>> remembered(const std::string& path) {
  if (!is_there(path)) return std::nullopt;
  const auto file = read_file(path, kLargestFile);
  if (!file) return std::unexpected(file.error());
  const auto end = file->text.find('\n');
  auto key = ledger::parse_verifier(std::string_view(file->text).substr(0, end));
  if (!key) return std::unexpected(key.error());
  auto seen = read_checkpoint(end == std::string::npos ? std::string_view{} : std::string_view(file->text).substr(end + 1));
  if (!seen) return std::unexpected(seen.error());
  return Memory{std::move(*key), std::move(*seen)};
}

std::unexpected<Error> caught(const std::string& what) {
  return fail(ErrorKind::conflict, "LEDGER_DIVERGED",
              what + "; this checkpoint is not vouched for, and what was seen before stays in the witness's folder as evidence");
}

bool is_signed(const ledger::Note& note, const ledger::Verifier& key) {
  return std::ranges::any_of(note.signatures, [&](const auto& by) { return ledger::is_valid(by, key, note.text); });
}

Result<void> check_growth(Session& session, const ledger::Checkpoint& before, const ledger::Checkpoint& now) {
  if (now.origin != before.origin) return caught("this is another ledger: " + now.origin + ", not " + before.origin);
  if (now.size < before.size) {
    return caught("the ledger has " + std::to_string(now.size) + " records, and had signed " + std::to_string(before.size) +
                  " before: an older database was put back");
  }
  if (now.size == before.size) {
    if (now.root != before.root) return caught("two histories of " + std::to_string(now.size) + " records were signed");
    return {};
  }
  if (before.size == 0) return {};
  const auto answer =
      ask_ledger(session, "/v1/ledger/consistency?from=" + std::to_string(before.size) + "&to=" + std::to_string(now.size));
  if (!answer) return std::unexpected(answer.error());
  const auto path = path_of(member(*answer, "path"));
  if (!path || !ledger::is_consistent(*path, before.size, now.size, before.root, now.root)) {
    return caught("the " + std::to_string(now.size) + " records do not begin with the " + std::to_string(before.size) +
                  " that were signed before");
  }
  return {};
}

/// The key that the ledger signs with now: each one after `known` was named by the one before, in a record of `head`'s tree. A
/// proof comes with a checkpoint of its own, which nobody vouches for: it counts once `head`'s tree is shown to be its beginning.
Result<ledger::Verifier> key_after(Session& session, const ledger::Verifier& known, const ledger::Checkpoint& head) {
  const auto ledger = ask_ledger(session, "/v1/ledger");
  if (!ledger) return std::unexpected(ledger.error());
  auto key = known;
  bool follows = false;
  const auto& keys = member(*ledger, "keys");
  for (std::size_t i = 0; keys.is_array() && i < keys.size(); ++i) {
    if (!follows) {
      follows = raw_text(keys[i], "key") == known.text();
      continue;
    }
    const auto record = number(keys[i], "record").value_or(-1);
    if (record >= head.size) break;
    const auto proof = ask_ledger(session, "/v1/ledger/proof?record=" + std::to_string(record));
    if (!proof) return std::unexpected(proof.error());
    const auto now = read_checkpoint(raw_text(*proof, "checkpoint"));
    const auto& proofs = member(*proof, "proofs");
    const auto text = proofs.is_array() && !proofs.empty() ? raw_text(proofs[0], "record") : "";
    const auto path = path_of(text.empty() ? Json() : member(proofs[0], "path"));
    ledger::RecordFields fields;
    if (!now || !path || !fields.parse(text) || fields.text("kind") != "key" ||
        !ledger::is_included(*path, record, now->head.size, ledger::leaf_hash(text), now->head.root))
      return caught("the ledger does not show where its key was changed");
    if (auto grown = check_growth(session, head, now->head); !grown) return std::unexpected(grown.error());
    auto next = ledger::parse_verifier(fields.text("key").value_or(""));
    const auto signature = from_base64(fields.text("signature").value_or("")).value_or("");
    if (!next || !ledger::is_signed_by(key.key, ledger::key_change_text(head.origin, *next), signature))
      return caught("the ledger's old key did not name the new one");
    key = std::move(*next);
  }
  return key;
}

}  // namespace

Result<ExitStatus> ledger_witness(Session& session, const Invocation& call) {
  const auto folder = std::string(call.value("--dir").value_or("hansa-witness"));
  const auto own = own_key(session, folder, call.value("--name"));
  if (!own) return std::unexpected(own.error());
  const auto public_key = own->verifier(ledger::KeyUse::cosignature).text();
  if (call.has("--key-only")) {
    session.print(public_key + "\n");
    return ExitStatus::done;
  }
  const auto memory_file = folder + "/seen";
  auto memory = remembered(memory_file);
  if (!memory) return std::unexpected(memory.error());
  const auto newest = newest_checkpoint(session);
  if (!newest) return std::unexpected(newest.error());

  auto key = *memory ? (*memory)->key : ledger::Verifier{};
  if (const auto given = call.value("--key"); given && !*memory) {
    auto parsed = ledger::parse_verifier(*given);
    if (!parsed) return fail(ErrorKind::invalid_argument, "USAGE", "--key: " + parsed.error().message);
    key = std::move(*parsed);
  } else if (!*memory) {
    return fail(ErrorKind::invalid_argument, "USAGE",
                "the first time, give the ledger's public key with --key: hansa ledger show prints it; ask its operator whether "
                "it is that");
  }
  const auto checked = [&]() -> Result<void> {
    if (*memory) {
      if (auto grown = check_growth(session, (*memory)->seen.head, newest->head); !grown) return grown;
    }
    if (!is_signed(newest->note, key)) {
      auto now = key_after(session, key, newest->head);
      if (!now) return std::unexpected(now.error());
      key = std::move(*now);
    }
    return is_signed(newest->note, key) ? Result<void>{}
                                        : Result<void>(caught("the checkpoint is not signed with the ledger's key"));
  }();
  if (!checked) {
    if (checked.error().code != "LEDGER_DIVERGED") return std::unexpected(checked.error());
    session.complain(checked.error());
    return ExitStatus::fault_found;
  }
  // First remembered, then told: two histories can never both be vouched for.
  if (auto kept = write_file(memory_file, key.text() + "\n" + newest->note.str(), DurableFile::Existing::replace); !kept)
    return std::unexpected(kept.error());
  const auto line = ledger::line_of(ledger::cosign(*own, newest->note.text, session.now()));
  const Json body{{"checkpoint", newest->note.text}, {"cosignature", line}};
  const auto told = session.send("POST", "/v1/ledger/cosignatures", body.dump());
  if (!told) return std::unexpected(told.error());
  session.print(newest->note.text + "\n" + line);
  return ExitStatus::done;
}

}  // namespace hansa::cli
