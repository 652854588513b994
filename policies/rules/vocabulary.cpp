// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/vocabulary.hpp"

#include <algorithm>

namespace hansa::rules {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, kActions> kActionNames{"intake",  "place",     "stage_in",  "dispatch",
                                                              "reroute", "stage_out", "log_export"};

constexpr std::array<std::string_view, 6> kDataLabels{"open",   "internal",     "personal",
                                                      "health", "trade-secret", "export-controlled"};
constexpr std::array<std::string_view, 3> kAssurance{"low", "medium", "high"};
constexpr std::array<std::string_view, 2> kAuthentication{"sfa", "mfa"};
constexpr std::array<std::string_view, 3> kAffiliation{"academic", "public-sector", "industry"};
constexpr std::array<std::string_view, 5> kPurpose{"civilian-research", "civilian-innovation", "public-service", "education",
                                                   "defence"};
constexpr std::array<std::string_view, 7> kAccessMode{"benchmark",     "development", "regular",   "extreme-scale",
                                                      "ai-innovation", "strategic",   "commercial"};
constexpr std::array<std::string_view, 3> kAiTraining{"none", "specific-purpose", "general-purpose"};
constexpr std::array<std::string_view, 5> kTransferBasis{"none", "adequacy", "standard-clauses", "binding-rules", "derogation"};
constexpr std::array<std::string_view, 4> kSiteKind{"cluster", "broker", "archive", "download"};
constexpr std::array<std::string_view, 3> kSiteStatus{"member", "suspended", "leaving"};
constexpr std::array<std::string_view, 10> kSiteLabels{"iso-27001", "c5",        "ens-high",   "secnumcloud",      "gaia-x-l1",
                                                       "gaia-x-l2", "gaia-x-l3", "eucs-basic", "eucs-substantial", "eucs-high"};
constexpr std::array<std::string_view, 3> kIsolation{"shared-nodes", "exclusive-nodes", "exclusive-cluster"};
constexpr std::array<std::string_view, 3> kEgress{"open", "logged", "airlock"};

constexpr Seconds kToken = 24h;
constexpr Seconds kProject = 24h;
constexpr Seconds kDataset = 7 * 24h;
constexpr Seconds kMembership = 30 * 24h;
constexpr Seconds kCertificate = 366 * 24h;  // what is audited once a year

constexpr auto person(Attribute attribute, std::string_view name, Type type, std::string_view phrase, std::string_view help,
                      std::span<const std::string_view> words = {}) {
  return AttributeRecord{attribute, name, type, Subject::job, Source::token, kToken, phrase, help, words};
}
constexpr auto project(Attribute attribute, std::string_view name, Type type, std::string_view phrase, std::string_view help,
                       std::span<const std::string_view> words = {}, bool may_be_empty = false) {
  return AttributeRecord{attribute, name,         type, Subject::job, Source::project_registry, kProject, phrase, help,
                         words,     may_be_empty, 0,    INT64_MAX};
}
constexpr auto dataset(Attribute attribute, std::string_view name, Type type, std::string_view phrase, std::string_view help,
                       std::span<const std::string_view> words = {}) {
  return AttributeRecord{attribute, name, type, Subject::dataset, Source::dataset_registry, kDataset, phrase, help, words};
}
constexpr auto site(Attribute attribute, std::string_view name, Type type, Seconds max_age, std::string_view phrase,
                    std::string_view help, std::span<const std::string_view> words = {}, bool may_be_empty = false) {
  return AttributeRecord{attribute, name,   type, Subject::site, Source::site_descriptor,
                         max_age,   phrase, help, words,         may_be_empty};
}

constexpr std::array<AttributeRecord, kAttributes> kVocabulary{{
    {Attribute::now, "now", Type::time, Subject::job, Source::clock, 0s, "the time", "When the question is asked"},
    person(Attribute::user_id, "user.id", Type::id, "the person", "Issuer and subject, as local:alice"),
    person(Attribute::user_country, "user.country", Type::country, "the person's country", "Of the person's home organisation"),
    person(Attribute::user_assurance, "user.assurance", Type::level, "the assurance of the person's identity",
           "How well the identity was proven (REFEDS RAF: low, medium, high)", kAssurance),
    person(Attribute::user_affiliation, "user.affiliation", Type::word, "the person's affiliation",
           "Kind of the home organisation", kAffiliation),
    person(Attribute::user_authentication, "user.authentication", Type::level, "the strength of the person's login",
           "By one factor or by several (REFEDS SFA, MFA)", kAuthentication),
    project(Attribute::project_id, "project.id", Type::id, "the project", "The registry's name of the project"),
    project(Attribute::project_labels, "project.labels", Type::words, "the project's labels",
            "What the project works with; may be empty", kDataLabels, true),
    project(Attribute::project_purpose, "project.purpose", Type::word, "the project's purpose", "As its grant has it", kPurpose),
    project(Attribute::project_access_mode, "project.access_mode", Type::word, "the project's access mode",
            "The call under which its time was granted", kAccessMode),
    project(Attribute::project_lead_country, "project.lead_country", Type::country, "the country of the project's lead",
            "Of the principal investigator's organisation"),
    project(Attribute::project_member_countries, "project.member_countries", Type::countries,
            "the countries of the project's members", "Of all members' organisations"),
    project(Attribute::project_permits, "project.permits", Type::ids, "the project's data permits",
            "Data permits that the project holds; may be empty", {}, true),
    project(Attribute::project_export_licence, "project.export_licence", Type::boolean,
            "an export licence decision covers the project", "A person's decision, as recorded"),
    project(Attribute::project_export_licence_until, "project.export_licence_until", Type::time, "the end of the export licence",
            "When that decision ends"),
    project(Attribute::project_members_cleared, "project.members_cleared", Type::boolean,
            "all members of the project are cleared for controlled technology", "A person's decision, as recorded"),
    project(Attribute::project_ai_training, "project.ai_training", Type::word, "the AI training that the project does",
            "Whether it trains a model, and of which kind", kAiTraining),
    project(Attribute::project_training_petaflop, "project.training_petaflop", Type::integer,
            "the training compute of the project's model, all sites and this job together",
            "In 10^15 floating-point operations; 10^10 of these are the 10^25 of the AI Act"),
    project(Attribute::project_commission_notified, "project.commission_notified", Type::boolean,
            "the Commission has been notified of the model", "Notification under Article 52 of the AI Act"),
    {Attribute::request_labels, "request.labels", Type::words, Subject::job, Source::request, 0s,
     "the labels that the submission gives itself", "Of script, arguments and environment; may be empty", kDataLabels, true},
    dataset(Attribute::dataset_id, "dataset.id", Type::id, "the dataset", "The registry's name of the dataset"),
    dataset(Attribute::dataset_labels, "dataset.labels", Type::words, "the dataset's labels", "What it holds; at least one",
            kDataLabels),
    dataset(Attribute::dataset_permit, "dataset.permit", Type::id, "the data permit of the dataset",
            "The permit under which it may be used"),
    dataset(Attribute::dataset_permit_until, "dataset.permit_until", Type::time, "the end of the dataset's data permit",
            "When that permit ends"),
    dataset(Attribute::dataset_transfer_basis, "dataset.transfer_basis", Type::word,
            "the basis for transfers of the dataset to third countries", "GDPR chapter V, as the controller recorded it",
            kTransferBasis),
    dataset(Attribute::dataset_reviewed, "dataset.reviewed", Type::boolean,
            "a reviewer has found that the data are no longer personal", "The airlock's decision on an output, as recorded"),
    site(Attribute::site_id, "site.id", Type::id, 0s, "the site", "The broker's name of the place"),
    site(Attribute::site_kind, "site.kind", Type::word, 0s, "the kind of place", "`download` is a person's own machine",
         kSiteKind),
    site(Attribute::site_status, "site.status", Type::word, kMembership, "the site's membership", "In the federation",
         kSiteStatus),
    site(Attribute::site_country, "site.country", Type::country, kCertificate, "the site's country", "Where the machines stand"),
    site(Attribute::site_operator_country, "site.operator_country", Type::country, kCertificate,
         "the country of the site's operator", "Where the operator is established"),
    site(Attribute::site_operator_parent_country, "site.operator_parent_country", Type::country, kCertificate,
         "the country of whoever controls the site's operator", "The operator's own where nobody else does"),
    site(Attribute::site_labels, "site.labels", Type::words, kCertificate, "the site's certificates", "Valid ones; may be empty",
         kSiteLabels, true),
    site(Attribute::site_secure_processing, "site.secure_processing", Type::boolean, kCertificate,
         "the site is a secure processing environment", "In the sense of Regulation (EU) 2025/327"),
    site(Attribute::site_tenant_isolation, "site.tenant_isolation", Type::level, kCertificate, "the site's isolation of tenants",
         "What a job shares with others", kIsolation),
    site(Attribute::site_encryption_at_rest, "site.encryption_at_rest", Type::boolean, kCertificate,
         "the site encrypts its storage", "All file systems a job can write to"),
    site(Attribute::site_egress, "site.egress", Type::level, kCertificate, "the site's control of outgoing data",
         "`airlock`: nothing leaves without review", kEgress),
    site(Attribute::site_eurohpc, "site.eurohpc", Type::boolean, kCertificate, "the site is a EuroHPC system",
         "Owned, wholly or in part, by the Joint Undertaking"),
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kAttributes; ++i) {
    if (index_of(kVocabulary[i].attribute) != i) return false;
  }
  return true;
}
static_assert(in_order());

constexpr auto kAttributeNames = [] {
  std::array<std::string_view, kAttributes> names;
  for (std::size_t i = 0; i < kAttributes; ++i) names[i] = kVocabulary[i].name;
  return names;
}();

constexpr std::string_view kScalar = "a single value";
constexpr std::string_view kOrdered = "an integer or a time";
constexpr std::string_view kGraded = "a level";
constexpr std::string_view kSeveral = "several values";
constexpr OpRecord kOperators[] = {
    {Op::eq, "eq", Operand::one, kScalar, "is"},
    {Op::ne, "ne", Operand::one, kScalar, "is not"},
    {Op::in, "in", Operand::list, kScalar, "is one of"},
    {Op::not_in, "not_in", Operand::list, kScalar, "is none of"},
    {Op::in_set, "in_set", Operand::set, "a country or an id", "is in"},
    {Op::not_in_set, "not_in_set", Operand::set, "a country or an id", "is not in"},
    {Op::lt, "lt", Operand::one, kOrdered, "is below"},
    {Op::le, "le", Operand::one, kOrdered, "is at most"},
    {Op::gt, "gt", Operand::one, kOrdered, "is above"},
    {Op::ge, "ge", Operand::one, kOrdered, "is at least"},
    {Op::at_least, "at_least", Operand::one, kGraded, "is at least"},
    {Op::at_most, "at_most", Operand::one, kGraded, "is at most"},
    {Op::any_of, "any_of", Operand::list, kSeveral, "include any of"},
    {Op::all_of, "all_of", Operand::list, kSeveral, "include all of"},
    {Op::none_of, "none_of", Operand::list, kSeveral, "include none of"},
    {Op::within, "within", Operand::list, kSeveral, "are all among"},
    {Op::any_in_set, "any_in_set", Operand::set, "several countries or ids", "include any of"},
    {Op::within_set, "within_set", Operand::set, "several countries or ids", "are all in"},
};

constexpr ObligationRecord kObligations[] = {
    {"encrypt_scratch", false, 0, Keeper::site, "scratch space must be encrypted"},
    {"exclusive_nodes", false, 0, Keeper::site, "the job must have its nodes for itself"},
    {"no_log_export", false, 0, Keeper::broker, "what the job prints must stay at the site"},
    {"no_stage_out", false, 0, Keeper::broker, "outputs must stay at the site"},
    {"airlock_output", false, 0, Keeper::broker, "outputs may leave only after a review"},
    {"wipe_within_hours", true, 8760, Keeper::site, "all copies at the site must be wiped within {} h of the job's end"},
    {"keep_log_days", true, 36500, Keeper::broker, "the record of access must be kept for {} days"},
    {"notify_owner", false, 0, Keeper::site, "the rule's owner must be told"},
};

}  // namespace

std::string_view to_string(Action action) { return kActionNames[static_cast<std::size_t>(action)]; }
std::span<const std::string_view> action_names() { return kActionNames; }
std::string_view to_string(Effect effect) { return effect == Effect::permit ? "permit" : "forbid"; }

std::string_view to_string(Source source) {
  switch (source) {
    case Source::token: return "token";
    case Source::dataset_registry: return "dataset registry";
    case Source::project_registry: return "project registry";
    case Source::site_descriptor: return "site descriptor";
    case Source::request: return "request";
    case Source::clock: return "clock";
  }
  return {};
}

std::string_view to_string(Type type) {
  switch (type) {
    case Type::boolean: return "true or false";
    case Type::integer: return "an integer";
    case Type::time: return "a date, with or without a time";
    case Type::word:
    case Type::level: return "a word";
    case Type::country: return "an ISO 3166-1 alpha-2 country code, as \"FI\"";
    case Type::id: return "an id: 1 to 128 letters, digits and ._:@/+-";
    case Type::words: return "words";
    case Type::countries: return "country codes";
    case Type::ids: return "ids";
  }
  return {};
}

std::span<const AttributeRecord> vocabulary() { return kVocabulary; }
const AttributeRecord& record_of(Attribute attribute) { return kVocabulary[index_of(attribute)]; }
const AttributeRecord* find_attribute(std::string_view name) {
  const auto* found = std::ranges::find(kVocabulary, name, &AttributeRecord::name);
  return found == kVocabulary.end() ? nullptr : found;
}
std::span<const std::string_view> attribute_names() { return kAttributeNames; }
std::span<const std::string_view> data_labels() { return kDataLabels; }

std::span<const OpRecord> operators() { return kOperators; }
const OpRecord& record_of(Op op) { return kOperators[static_cast<std::size_t>(op)]; }
const OpRecord* find_op(std::string_view name) {
  const auto* found = std::ranges::find(kOperators, name, &OpRecord::name);
  return found == std::end(kOperators) ? nullptr : found;
}

bool takes(Op op, Type type) {
  const auto member = member_type(type);
  const bool named = member == Type::country || member == Type::id;  // what a set can hold
  switch (op) {
    case Op::eq:
    case Op::ne: return !is_several(type);
    case Op::in:
    case Op::not_in: return !is_several(type) && type != Type::boolean && type != Type::time;
    case Op::in_set:
    case Op::not_in_set: return !is_several(type) && named;
    case Op::lt:
    case Op::le:
    case Op::gt:
    case Op::ge: return type == Type::integer || type == Type::time;
    case Op::at_least:
    case Op::at_most: return type == Type::level;
    case Op::any_of:
    case Op::all_of:
    case Op::none_of:
    case Op::within: return is_several(type);
    case Op::any_in_set:
    case Op::within_set: return is_several(type) && named;
  }
  return false;
}

bool compares(Op op, Type type, Type other) {
  switch (op) {
    case Op::eq:
    case Op::ne:
      return type == other && (type == Type::country || type == Type::id || type == Type::integer || type == Type::time);
    case Op::lt:
    case Op::le:
    case Op::gt:
    case Op::ge: return type == other && (type == Type::integer || type == Type::time);
    case Op::any_of:
    case Op::none_of: return (type == Type::countries || type == Type::ids) && other == member_type(type);
    default: return false;
  }
}

std::span<const ObligationRecord> obligations() { return kObligations; }

ObligationText parts_of(std::string_view obligation) {
  constexpr std::string_view kBySite = " by site";
  ObligationText parts;
  parts.by_site = obligation.ends_with(kBySite);
  if (parts.by_site) obligation.remove_suffix(kBySite.size());
  const auto colon = obligation.find(':');
  parts.name = obligation.substr(0, colon);
  if (colon != std::string_view::npos) parts.number = obligation.substr(colon + 1);
  return parts;
}

}  // namespace hansa::rules
