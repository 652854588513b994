// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/report_check.hpp"

#include "broker/cli/files.hpp"
#include "broker/core/sha256_stream.hpp"
#include "broker/ledger/report_recount.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace hansa::cli {
namespace {

constexpr std::size_t kLongestManifest = std::size_t{1} << 20;

std::unexpected<Error> altered(std::string what) { return fail(ErrorKind::conflict, "LEDGER_ALTERED", std::move(what)); }

struct Checked {
  ledger::ReportManifest manifest;
  ledger::Checkpoint head;
  bool is_signed = false;   // the ledger's head, by a key that is known
  bool is_vouched_for = false;  // the manifest, by such a key
  bool is_recounted = false;
  std::int64_t withheld = 0;  // rows
};

/// What the broker made, it signed; what others' accounting takes (`hansa report apel`, `waldur`) is made by whoever asks.
bool is_brokers(const ledger::ReportManifest& manifest) {
  return !manifest.report.starts_with("apel-") && manifest.report != "waldur";
}

std::unexpected<Error> not_vouched_for(const ledger::ReportManifest& manifest, const std::string& why) {
  return altered(why + (manifest.signature.empty()
                            ? "; it has no signature at all: if it was made before manifests had one, make "
                              "the report anew"
                            : ""));
}

/// The export, up to the report's size: its root there, and the sums.
Result<void> check_against(Checked& checked, const ledger::Note& note, const std::string& report, const std::string& ledger,
                           ledger::ExportCheck::Wanted wanted) {
  ledger::ReportRecount recount(checked.manifest);
  const bool counts = ledger::ReportRecount::can_count(checked.manifest);
  wanted.also_of = checked.head.size;
  wanted.on_run = [&](const ledger::RecordFields& record) {
    if (counts && record.integer("seq").value_or(0) < checked.head.size) recount.take(record);
  };
  ledger::ExportCheck check(std::move(wanted));
  if (auto read = read_in_pieces(ledger, [&](std::string_view piece) { return check.take(piece); }); !read) return read;
  const auto facts = check.finish();
  if (!facts) return std::unexpected(facts.error());
  if (facts->checkpoint.size < checked.head.size)
    return altered("the report is of " + std::to_string(checked.head.size) + " records, the export has " +
                   std::to_string(facts->checkpoint.size) + ": export the ledger again");
  if (facts->also_root != checked.head.root) return altered("the report is of another ledger than the export: another root");
  checked.is_signed = std::ranges::any_of(facts->keys, [&](const ledger::Verifier& key) {
    return std::ranges::any_of(note.signatures, [&](const ledger::Signature& by) { return is_valid(by, key, note.text); });
  });
  if (!checked.is_signed) return altered("no key of the ledger signed the checkpoint in the manifest");
  checked.is_vouched_for =
      std::ranges::any_of(facts->keys, [&](const ledger::Verifier& key) { return is_signed(checked.manifest, key); });
  if (!checked.is_vouched_for && is_brokers(checked.manifest))
    return not_vouched_for(checked.manifest, "no key of the ledger signed the manifest");
  if (!counts) return {};
  std::string text;
  if (auto read = read_in_pieces(report, [&](std::string_view piece) { return text += piece, Result<void>{}; }); !read)
    return read;
  const auto told = ledger::ReportRecount::read(checked.manifest, text);
  if (!told) return altered(told.error().message);
  if (!ledger::ReportRecount::agree(*told, recount.rows()))
    return altered("the report's sums are not those of the export's records");
  checked.withheld = std::ranges::count_if(*told, [](const auto& row) { return !row.second; });
  checked.is_recounted = true;
  return {};
}

Result<Checked> check(const std::string& report, const std::string& ledger, ledger::ExportCheck::Wanted wanted) {
  const auto text = read_file(report + ".manifest.json", kLongestManifest);
  if (!text) return std::unexpected(text.error());
  auto manifest = ledger::parse_manifest(text->text);
  if (!manifest) return altered(manifest.error().message);
  Checked checked{.manifest = std::move(*manifest), .head = {}};
  const auto note = ledger::parse_note(checked.manifest.checkpoint);
  if (!note) return altered("the manifest's checkpoint: " + note.error().message);
  auto head = ledger::parse_checkpoint(note->text);
  if (!head) return altered("the manifest's checkpoint: " + head.error().message);
  checked.head = std::move(*head);
  Sha256Stream hash;
  std::int64_t bytes = 0;
  auto read = read_in_pieces(report, [&](std::string_view piece) {
    hash.add(piece);
    bytes += static_cast<std::int64_t>(piece.size());
    return Result<void>{};
  });
  if (!read) return std::unexpected(read.error());
  if (hash.finish() != checked.manifest.sha256 || bytes != checked.manifest.bytes)
    return altered("the report's file is not the one that its manifest is of");
  const auto has_signed = [&](const ledger::Verifier& key) {
    return std::ranges::any_of(note->signatures, [&](const ledger::Signature& by) { return is_valid(by, key, note->text); });
  };
  for (const auto& witness : wanted.witnesses) {
    if (!has_signed(witness)) return altered("the witness " + witness.name + " has not signed the report's checkpoint");
  }
  if (ledger.empty()) {
    if (wanted.key && !has_signed(*wanted.key))
      return altered("the report's checkpoint is not signed by the key " + wanted.key->text());
    if (wanted.key && is_brokers(checked.manifest) && !is_signed(checked.manifest, *wanted.key))
      return not_vouched_for(checked.manifest, "the manifest is not signed by the key " + wanted.key->text());
    checked.is_signed = wanted.key.has_value();
    checked.is_vouched_for = checked.is_signed && is_brokers(checked.manifest);
  } else if (auto held = check_against(checked, *note, report, ledger, std::move(wanted)); !held) {
    return std::unexpected(held.error());
  }
  return checked;
}

}  // namespace

Result<void> read_in_pieces(const std::string& path, const std::function<Result<void>(std::string_view)>& take) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return fail(ErrorKind::not_found, "NO_SUCH_FILE", path + " cannot be read: " + std::strerror(errno));
  std::string piece(std::size_t{1} << 20, '\0');
  Result<void> taken;
  while (taken) {
    const auto got = ::read(file, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) taken = fail(ErrorKind::invalid_argument, "CANNOT_READ", path + " cannot be read: " + std::strerror(errno));
    if (got <= 0) break;
    taken = take(std::string_view(piece).substr(0, static_cast<std::size_t>(got)));
  }
  ::close(file);
  return taken;
}

Result<ExitStatus> check_report(Session& session, const std::string& report, const std::string& ledger,
                                ledger::ExportCheck::Wanted wanted, bool as_json) {
  const auto checked = check(report, ledger, std::move(wanted));
  if (!checked) {
    if (checked.error().code != "LEDGER_ALTERED") return std::unexpected(checked.error());
    session.complain(checked.error());
    return ExitStatus::fault_found;
  }
  const auto& manifest = checked->manifest;
  const std::string_view figures = checked->is_recounted ? "; its sums are those of the records"
                                   : ledger.empty()      ? "; the figures were not counted again: give the export, too"
                                                         : "; the figures were not counted again: no export has what they are of";
  if (as_json) {
    session.print(Json{{"verified", checked->is_recounted},
                       {"report", manifest.report},
                       {"rows", manifest.rows},
                       {"origin", checked->head.origin},
                       {"size", checked->head.size},
                       {"signed", checked->is_signed},
                       {"vouched", checked->is_vouched_for},
                       {"recounted", checked->is_recounted},
                       {"withheld", checked->withheld}}
                      .dump(-1, ' ', false, Json::error_handler_t::replace) +
                  "\n");
  } else {
    session.print("report " + printable(manifest.report) + ", " + std::to_string(manifest.rows) + " rows, of the first " +
                  std::to_string(checked->head.size) + " records of " + printable(checked->head.origin) +
                  ": the file is the one that its manifest is of" +
                  (checked->is_vouched_for ? ", which the ledger's key signed"
                   : checked->is_signed    ? ", and the ledger's head in that is signed"
                                           : "") +
                  std::string(figures) + "\n");
  }
  if (checked->withheld > 0)
    session.note(std::to_string(checked->withheld) +
                 " rows are withheld: that there are such groups was checked, no figures, and not whether they had to be");
  if (!checked->is_signed) session.note("who signed it was not looked at: give the ledger's key with --key, or an export");
  return checked->is_recounted || checked->is_vouched_for || ledger.empty() ? ExitStatus::done : ExitStatus::fault_found;
}

}  // namespace hansa::cli
