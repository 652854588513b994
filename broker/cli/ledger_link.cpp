// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/ledger_link.hpp"

namespace hansa::cli {

std::unexpected<Error> no_ledger(const std::string& what) {
  return fail(ErrorKind::internal, "BAD_ANSWER", "the broker's answer is no ledger's: " + what);
}

Result<Json> ask_ledger(Session& session, const std::string& target) {
  const auto answer = session.send("GET", target);
  if (!answer) return std::unexpected(answer.error());
  return Session::read(*answer);
}

Result<std::vector<ledger::Hash>> path_of(const Json& list) {
  std::vector<ledger::Hash> path;
  if (!list.is_array()) return no_ledger("a proof is missing");
  for (const auto& item : list) {
    const auto hash = item.is_string() ? ledger::hash_of(item.get<std::string>()) : std::nullopt;
    if (!hash) return no_ledger("a proof has hashes in base 64");
    path.push_back(*hash);
  }
  return path;
}

Result<SignedCheckpoint> read_checkpoint(std::string_view text) {
  auto note = ledger::parse_note(text);
  if (!note) return std::unexpected(note.error());
  auto head = ledger::parse_checkpoint(note->text);
  if (!head) return std::unexpected(head.error());
  return SignedCheckpoint{std::move(*note), std::move(*head)};
}

Result<SignedCheckpoint> newest_checkpoint(Session& session) {
  const auto answer = ask_ledger(session, "/v1/ledger/checkpoint");
  if (!answer) return std::unexpected(answer.error());
  return read_checkpoint(raw_text(*answer, "note"));
}

Result<void> stream_export(Session& session, bool with_personal, const std::function<Result<void>(std::string_view)>& take) {
  const auto checkpoint = newest_checkpoint(session);
  if (!checkpoint) return std::unexpected(checkpoint.error());
  const auto ledger = ask_ledger(session, "/v1/ledger");
  if (!ledger) return std::unexpected(ledger.error());
  std::vector<ledger::Verifier> witnesses;
  if (const auto& list = member(*ledger, "witnesses"); list.is_array()) {
    for (const auto& item : list) {
      const auto key = ledger::parse_verifier(raw_text(item, "key"));
      if (!key) return std::unexpected(key.error());
      for (const auto& signature : checkpoint->note.signatures) {
        if (ledger::names(signature, *key)) witnesses.push_back(*key);
      }
    }
  }
  if (auto taken = take(ledger::export_header(checkpoint->note, witnesses, with_personal) + "\n"); !taken) return taken;
  for (std::int64_t from = 0; from < checkpoint->head.size;) {
    const auto page =
        ask_ledger(session, "/v1/ledger/records?from=" + std::to_string(from) + (with_personal ? "&personal=true" : ""));
    if (!page) return std::unexpected(page.error());
    const auto& records = member(*page, "records");
    if (!records.is_array() || records.empty()) return no_ledger("records are missing");
    std::string lines;
    for (const auto& record : records) {
      if (from++ == checkpoint->head.size) break;  // booked since it was signed
      lines += raw_text(record, "record") + "\n";
      for (const auto* behind : {"personal", "rests_on"}) {
        if (const auto text = raw_text(record, behind); !text.empty()) lines += text + "\n";
      }
    }
    if (auto taken = take(lines); !taken) return taken;
  }
  return {};
}

}  // namespace hansa::cli
