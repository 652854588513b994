// SPDX-License-Identifier: Apache-2.0
#include "simulation/sites_file.hpp"

#include "broker/core/countries.hpp"
#include "broker/core/suggest.hpp"
#include "broker/core/toml_document.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace hansa::simulation {
namespace {

constexpr std::array<std::string_view, 6> kKeys{"id", "processors", "country", "local_share", "hidden", "facts"};

/// Reads one file and collects what is wrong with it.
class SiteReader {
 public:
  explicit SiteReader(const std::string& file) : file_(file) {}

  SimulatedSite site(const TomlNode& table) {
    SimulatedSite site;
    for (const auto& member : table.items) {
      if (std::ranges::find(kKeys, std::string_view(member.key)) == kKeys.end())
        fault(member.key_at, member.key,
              "is no key of a site" + did_you_mean(member.key, kKeys) + "; allowed: " + std::string(kAllowed));
    }
    site.id = id_of(table);
    site.cores = processors_of(table);
    if (const auto* country = table.find("country")) {
      if (country->kind == TomlNode::Kind::text && is_country(country->text))
        site.country = country->text;
      else
        fault(country->at, "country", "is " + toml_shown(*country) + "; allowed: ISO 3166-1 alpha-2, as \"FI\"");
    }
    if (const auto* share = table.find("local_share")) site.local_share = share_of(*share);
    if (const auto* hidden = table.find("hidden")) {
      if (hidden->kind == TomlNode::Kind::boolean)
        site.hidden = hidden->boolean;
      else
        fault(hidden->at, "hidden", "is " + toml_shown(*hidden) + "; allowed: true or false");
    }
    return site;
  }

  void fault(TomlMark at, std::string_view key, std::string message) {
    faults_.push_back({file_ + (at.line == 0 ? "" : ":" + std::to_string(at.line)) + (key.empty() ? "" : ": " + std::string(key)),
                       std::move(message)});
  }
  [[nodiscard]] std::vector<Fault>& faults() { return faults_; }

 private:
  static constexpr std::string_view kAllowed = "id, processors, country, local_share, hidden, facts";

  static std::string toml_shown(const TomlNode& node) {
    if (node.kind == TomlNode::Kind::table) return "a table";
    return node.kind == TomlNode::Kind::other ? node.text : toml_literal(node).substr(0, 60);
  }

  std::string id_of(const TomlNode& table) {
    const auto* id = table.find("id");
    if (id == nullptr) {
      fault(table.at, "id", "is missing; a site needs one, as id = \"alpha\"");
      return {};
    }
    const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
    if (id->kind == TomlNode::Kind::text && !id->text.empty() && id->text.size() <= 32 && std::ranges::all_of(id->text, good))
      return id->text;
    fault(id->at, "id", "is " + toml_shown(*id) + "; allowed: 1 to 32 of a-z, 0-9 and -");
    return {};
  }

  std::int64_t processors_of(const TomlNode& table) {
    const auto* processors = table.find("processors");
    if (processors == nullptr) {
      fault(table.at, "processors", "is missing; a site needs them, as processors = 128");
    } else if (processors->kind == TomlNode::Kind::integer && processors->integer >= 1 && processors->integer <= kMostSiteCores) {
      return processors->integer;
    } else {
      fault(processors->at, "processors",
            "is " + toml_shown(*processors) + "; allowed: whole numbers from 1 to " + std::to_string(kMostSiteCores));
    }
    return 1;
  }

  std::int64_t share_of(const TomlNode& share) {
    std::optional<double> value = share.fraction;
    if (share.kind == TomlNode::Kind::integer) value = static_cast<double>(share.integer);
    if (value && *value >= 0 && *value <= 1) return std::llround(*value * 1e6);
    fault(share.at, "local_share", "is " + toml_shown(share) + "; allowed: 0 to 1, as 0.3");
    return 0;
  }

  const std::string& file_;
  std::vector<Fault> faults_;
};

}  // namespace

Result<std::vector<SimulatedSite>> parse_sites(std::string_view text, const std::string& file) {
  const auto document = parse_toml(text, file);
  if (!document) return std::unexpected(document.error());
  SiteReader reader(file);
  std::vector<SimulatedSite> sites;
  for (const auto& member : document->items) {
    if (member.key != "site" && member.key != "given")
      reader.fault(member.key_at, member.key, "is unknown; allowed: [[site]], and [given] for rules");
  }
  const auto* list = document->find("site");
  if (list == nullptr || list->kind != TomlNode::Kind::list || list->items.empty()) {
    reader.fault(list == nullptr ? TomlMark{} : list->at, "site", "names no site; one is needed: [[site]], id, processors");
  } else if (list->items.size() > kMostSites) {
    reader.fault(list->at, "site", "names more than " + std::to_string(kMostSites) + " sites, the most that are taken");
  } else {
    for (const auto& table : list->items) {
      if (table.kind != TomlNode::Kind::table) {
        reader.fault(table.at, "site", "is no table; write [[site]] and its keys below");
        continue;
      }
      auto site = reader.site(table);
      if (!site.id.empty() && std::ranges::find(sites, site.id, &SimulatedSite::id) != sites.end())
        reader.fault(table.at, "id", "\"" + site.id + "\" is there twice; each site has its own");
      sites.push_back(std::move(site));
    }
  }
  if (reader.faults().empty()) return sites;
  auto error = fail(ErrorKind::invalid_argument, "BAD_SITES", file + " does not describe sites");
  error.error().faults = std::move(reader.faults());
  return error;
}

}  // namespace hansa::simulation
