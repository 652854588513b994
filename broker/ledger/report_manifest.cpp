// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/report_manifest.hpp"

#include "broker/core/canonical_json.hpp"

#include <algorithm>

namespace hansa::ledger {

std::string manifest_text(const ReportManifest& m) {
  Json json{{"at", m.at_s},
            {"by", m.by},
            {"bytes", m.bytes},
            {"checkpoint", m.checkpoint},
            {"everybody", m.everybody},
            {"file_format", m.file_format},
            {"format", kManifestFormat},
            {"query", m.query},
            {"report", m.report},
            {"rows", m.rows},
            {"sha256", m.sha256},
            {"sliced", m.sliced}};
  if (m.from_s) json["from"] = *m.from_s;
  if (m.to_s) json["to"] = *m.to_s;
  if (!m.projects.empty()) json["projects"] = m.projects;
  if (!m.sites.empty()) json["sites"] = m.sites;
  if (!m.grade.empty()) json["grade"] = m.grade;
  if (!m.signature.empty()) json["signature"] = m.signature;
  return canonical_json(json) + "\n";
}

std::string text_to_sign(ReportManifest manifest) {
  manifest.signature.clear();
  return manifest_text(manifest);
}

std::string manifest_signature(const Signature& signature) {
  auto line = line_of(signature);
  line.pop_back();
  return line;
}

bool is_signed(const ReportManifest& manifest, const Verifier& key) {
  const auto signature = parse_signature(manifest.signature + "\n");
  return signature && key.use == KeyUse::note && is_valid(*signature, key, text_to_sign(manifest));
}

Result<ReportManifest> parse_manifest(std::string_view text) {
  const auto bad = [](std::string what) {
    return fail(ErrorKind::invalid_argument, "BAD_MANIFEST", "no manifest of a report: " + std::move(what));
  };
  if (!text.ends_with('\n')) return bad("it does not end in a newline");
  auto json = parse_json(text.substr(0, text.size() - 1), 3);
  if (!json) return bad(json.error().message);
  if (!json->is_object() || canonical_json(*json) + "\n" != text) return bad("it is not in its canonical form");
  if (json->value("format", Json()) != kManifestFormat)
    return bad("it is of another format than " + std::string(kManifestFormat));
  std::string missing;
  std::size_t known = 1;
  const auto member = [&](const char* name, bool (Json::*is)() const, bool needed = true) -> const Json* {
    const auto at = json->find(name);
    if (at != json->end() && ((*at).*is)()) return ++known, &*at;
    if ((at != json->end() || needed) && missing.empty()) missing = name;
    return nullptr;
  };
  ReportManifest m;
  const auto text_at = [&](const char* name, std::string& into, bool needed = true) {
    if (const auto* value = member(name, &Json::is_string, needed)) into = value->get<std::string>();
  };
  const auto flag_at = [&](const char* name, bool& into) {
    if (const auto* value = member(name, &Json::is_boolean)) into = value->get<bool>();
  };
  const auto number_at = [&](const char* name, bool needed = true) -> std::optional<std::int64_t> {
    const auto* value = member(name, &Json::is_number_integer, needed);
    return value == nullptr ? std::nullopt : std::optional(value->get<std::int64_t>());
  };
  text_at("report", m.report);
  text_at("file_format", m.file_format);
  text_at("query", m.query);
  text_at("checkpoint", m.checkpoint);
  text_at("sha256", m.sha256);
  text_at("grade", m.grade, false);
  text_at("signature", m.signature, false);
  flag_at("sliced", m.sliced);
  flag_at("everybody", m.everybody);
  m.at_s = number_at("at").value_or(0);
  m.rows = number_at("rows").value_or(0);
  m.bytes = number_at("bytes").value_or(0);
  m.from_s = number_at("from", false);
  m.to_s = number_at("to", false);
  const auto texts_at = [&](const char* name, std::vector<std::string>& into, bool needed) {
    const auto* list = member(name, &Json::is_array, needed);
    if (list == nullptr) return;
    if (!std::ranges::all_of(*list, &Json::is_string) || (list->empty() && !needed))
      missing = name;
    else
      into = list->get<std::vector<std::string>>();
  };
  texts_at("by", m.by, true);
  texts_at("projects", m.projects, false);
  texts_at("sites", m.sites, false);
  if (!missing.empty()) return bad("\"" + missing + "\" is missing or of another type");
  if (known != json->size()) return bad("it has members that are none");
  return m;
}

}  // namespace hansa::ledger
