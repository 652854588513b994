// SPDX-License-Identifier: Apache-2.0
// The record of processing activities (Regulation (EU) 2016/679, Article 30; Regulation (EU) 2018/1725, Article 31): what the
// broker does is said by the broker, who answers for it by its configuration. What nobody has said is named as missing.
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::api {
namespace {

// The Union and the EEA: what goes elsewhere is a transfer to a third country.
constexpr std::string_view kEea[] = {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
                                     "IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"};

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json responsible_view(const Responsible& who, const std::string& keys, Json& missing) {
  if (who.controller.empty()) missing.push_back(keys + "controller");
  if (who.contact.empty()) missing.push_back(keys + "contact");
  return {{"controller", text_or_null(who.controller)},
          {"processor", text_or_null(who.processor)},
          {"contact", text_or_null(who.contact)}};
}

Json activities() {
  return Json::array(
      {{{"purpose", "running people's jobs at computing centres and telling them what became of them"},
        {"people", {"users of the centres (researchers, their staff)"}},
        {"holdings",
         {"payloads", "requests", "decision_inputs", "jobs", "secrets", "code.keep_s", "local_jobs", "site_files", "sessions"}},
        {"recipients",
         "the site that runs a job: local account, project, script, arguments, environment, code, secrets that the job names, "
         "time limit and size"}},
       {{"purpose", "accounting of what was used, its reconciliation with the sites' own records, and audit"},
        {"people", {"users of the centres"}},
        {"holdings", {"usage_persons"}},
        {"recipients",
         "auditors and operators of the broker; funders and centres in sums, and by pseudonym where they ask by person"}},
       {{"purpose", "deciding who may do what, and accountability for that"},
        {"people", {"users, operators, policy officers, auditors"}},
        {"holdings", {"tokens", "person_facts", "changes", "accesses"}},
        {"recipients", "operators, policy officers and auditors of the broker"}},
       {{"purpose", "running the broker safely"},
        {"people", {"whoever connects to it"}},
        {"holdings", {"logs", "backups"}},
        {"recipients", "operators of the broker and of its host"}}});
}

Json measures() {
  return {
      "TLS for every address that is not loopback; tokens are kept as hashes, people's secrets sealed with keys outside the "
      "database",
      "one table of rights, asked by every route; what users see is their own and their projects'",
      "the state folder is the broker's account's alone (0700), which is never root",
      "jobs run under the person's own local account at a site; the broker holds no account's password",
      "whose usage it was stands beside the ledger, which holds a salted hash of it; pseudonyms by a key of the person and month",
      "who reads others' data is on record, append-only; whoever exports a person's data says why",
      "an erasure and whatever loosens the protection of data takes two people",
      "periods are kept by the broker itself, every day; what is deleted is overwritten in the database's file, its log emptied",
      "the ledger is signed and checked off line; nobody changes a record unseen"};
}

}  // namespace

async::Task<http::Response> get_record_of_processing(Exchange exchange) {
  const auto& facts = exchange.api.facts();
  const auto& privacy = facts.privacy;
  Json missing = Json::array();
  Json record{{"format", "hansa-record-of-processing/1"},
              {"made_at", format_utc(exchange.api.parts().scheduler.now_utc())},
              {"broker", facts.name},
              {"country", facts.country},
              {"responsible", responsible_view(privacy.broker, "privacy.", missing)},
              {"legal_basis", text_or_null(privacy.legal_basis)},
              {"activities", activities()},
              {"measures", measures()}};
  if (privacy.legal_basis.empty()) missing.push_back("privacy.legal_basis");
  auto& sites = record["sites"] = Json::array();
  for (const auto& site : privacy.sites) {
    sites.push_back({{"id", site.id},
                     {"name", site.name},
                     {"country", site.country},
                     {"third_country", std::ranges::find(kEea, site.country) == std::end(kEea)},
                     {"responsible", responsible_view(site.responsible, "site " + site.id + ": ", missing)}});
  }
  auto& holdings = record["holdings"] = Json::array();
  for (const auto& item : domain::retention_table()) {
    const auto days = privacy.days.find(item.holding);
    holdings.push_back({{"holding", item.key},
                        {"what", item.what},
                        {"where", item.where},
                        {"purpose", item.purpose},
                        {"days", days == privacy.days.end() ? item.days : days->second},
                        {"from", item.from},
                        {"erased", item.erased}});
  }
  record["missing"] = std::move(missing);
  co_return json_answer(200, record);
}

}  // namespace hansa::api
