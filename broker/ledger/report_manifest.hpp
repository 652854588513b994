// SPDX-License-Identifier: Apache-2.0
#pragma once
// What stands beside a report's file, in FILE.manifest.json: what was asked, of which ledger, and the file's hash. One line of
// canonical JSON and a newline; every format has one. The ledger's key signs it. `hansa ledger verify --report FILE` and
// hansa_verify.py check it.

#include "broker/ledger/note.hpp"
#include "broker/ledger/report.hpp"

namespace hansa::ledger {

inline constexpr std::string_view kManifestFormat = "hansa-report-manifest/1";

struct ReportManifest {
  std::string report;
  std::string file_format;               // "csv"
  std::vector<std::string> by;
  std::optional<std::int64_t> from_s, to_s;
  bool sliced = false;
  bool everybody = true;                 // false: of whoever asked alone
  std::vector<std::string> projects = {}, sites = {};  // whose records alone it is of; none: of all
  std::string query;                     // as it was asked: "by=project&from=2026-11-01"
  std::int64_t at_s = 0;                 // when it was made
  std::string checkpoint;                // signed note of the ledger that it was made of
  std::int64_t rows = 0, bytes = 0;
  std::string sha256;                    // of the file, hex
  std::string grade;                     // as in the report's head; "": none
  std::string signature = {};            // of a key of the ledger; "": the file was made by whoever asked, not by the broker
};
std::string manifest_text(const ReportManifest& manifest);
/// What its signature is of: the text that it has without one. No checkpoint can be written so.
std::string text_to_sign(ReportManifest manifest);
/// As a line of a signed note, without its newline.
std::string manifest_signature(const Signature& signature);
/// Whether that key signed it.
bool is_signed(const ReportManifest& manifest, const Verifier& key);
/// BAD_MANIFEST.
Result<ReportManifest> parse_manifest(std::string_view text);

}  // namespace hansa::ledger
