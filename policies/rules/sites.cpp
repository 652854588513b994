// SPDX-License-Identifier: Apache-2.0
#include "broker/core/suggest.hpp"
#include "policies/rules/check.hpp"
#include "policies/rules/fields.hpp"
#include "policies/rules/parse_parts.hpp"

#include <algorithm>

namespace hansa::rules {
namespace {

constexpr std::string_view kPrefix = "site.";
/// When and where the facts were told: a file that is checked is taken at its word.
constexpr std::string_view kTold[] = {"as_of", "status_as_of", "evidence"};

class SiteReader {
 public:
  SiteReader(const TomlNode& table, std::string path, UtcTime now, Findings& findings)
      : table_(table), path_(std::move(path)), now_(now), findings_(findings) {}

  SiteFacts read() {
    SiteFacts site;
    for (const std::string_view key : {"id", "country"}) {
      if (const auto* node = table_.find(key))
        read_fact(*node, "site." + std::string(key), path_ + "." + std::string(key), site.facts);
      else if (key == "id")
        findings_.add(table_.at, path_ + ".id", "is missing; write it");
    }
    if (const auto* facts = table_.find("facts")) read_facts(*facts, site.facts);
    const auto id = std::ranges::find(site.facts, Attribute::site_id, &Fact::attribute);
    if (id != site.facts.end()) site.id = text_of(id->value);
    if (std::ranges::find(site.facts, Attribute::site_kind, &Fact::attribute) == site.facts.end())
      add(Attribute::site_kind, "cluster", site.facts);
    return site;
  }

 private:
  void add(Attribute attribute, Value value, Evidence& out) const {
    out.push_back({attribute, std::move(value), record_of(attribute).source, now_});
  }

  void read_facts(const TomlNode& facts, Evidence& out) {
    if (facts.kind != TomlNode::Kind::table) {
      findings_.add(facts.at, path_ + ".facts", "is " + seen(facts) + "; allowed: a table, as {operator_country = \"FI\"}");
      return;
    }
    std::vector<std::string_view> known;
    for (const auto& record : vocabulary()) {
      if (record.subject == Subject::site && record.attribute != Attribute::site_id &&
          record.attribute != Attribute::site_country)
        known.push_back(record.name.substr(kPrefix.size()));
    }
    for (const auto& member : facts.items) {
      const auto path = path_ + ".facts." + toml_key(member.key);
      if (std::ranges::find(kTold, member.key) != std::end(kTold)) continue;
      if (std::ranges::find(known, member.key) == known.end())
        findings_.add(member.key_at, path, "is no fact about a site" + did_you_mean(member.key, known));
      else
        read_fact(member, std::string(kPrefix) + member.key, path, out);
    }
  }

  void read_fact(const TomlNode& node, const std::string& attribute, const std::string& path, Evidence& out) {
    if (auto value = parse_value(node, *find_attribute(attribute), path, findings_)) {
      add(find_attribute(attribute)->attribute, std::move(*value), out);
    }
  }

  const TomlNode& table_;
  std::string path_;
  UtcTime now_;
  Findings& findings_;
};

}  // namespace

Result<std::vector<SiteFacts>> parse_sites(std::string_view text, std::string_view file, UtcTime now) {
  const auto document = parse_toml(text, file);
  if (!document) return std::unexpected(document.error());
  Findings findings{std::string(file)};
  std::vector<SiteFacts> sites;
  const auto* blocks = document->find("site");
  if (blocks == nullptr || blocks->kind != TomlNode::Kind::list) {
    findings.add(TomlMark{}, "site", "is missing; write a [[site]] block for each site");
  } else {
    for (std::size_t i = 0; i < blocks->items.size(); ++i) {
      const auto path = "site[" + std::to_string(i) + "]";
      if (blocks->items[i].kind != TomlNode::Kind::table)
        findings.add(blocks->items[i].at, path, "is " + seen(blocks->items[i]) + "; allowed: a table");
      else
        sites.push_back(SiteReader(blocks->items[i], path, now, findings).read());
    }
  }
  if (findings.empty()) return sites;
  auto error = pack_error(file, findings.faults());
  error.code = "BAD_SITES_FILE";
  return std::unexpected(std::move(error));
}

Result<Evidence> parse_given_facts(std::string_view text, std::string_view file, UtcTime now) {
  const auto document = parse_toml(text, file);
  if (!document) return std::unexpected(document.error());
  Findings findings{std::string(file)};
  Evidence evidence;
  if (const auto* table = document->find("given")) {
    for (auto& given : parse_given(*table, "given", findings)) {
      const auto& record = record_of(given.attribute);
      if (record.subject == Subject::site || given.attribute == Attribute::now) {
        findings.add(
            table->at, "given",
            "has " + std::string(record.name) + "; allowed: facts about the person, the project, the request and datasets");
      } else {
        evidence.push_back({given.attribute, std::move(given.value), record.source, now});
      }
    }
  }
  if (findings.empty()) return evidence;
  auto error = pack_error(file, findings.faults());
  error.code = "BAD_SITES_FILE";
  return std::unexpected(std::move(error));
}

}  // namespace hansa::rules
