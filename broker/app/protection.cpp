// SPDX-License-Identifier: Apache-2.0
#include "broker/app/protection.hpp"

namespace hansa::app {
namespace {

using domain::Holding;

std::map<Holding, std::int64_t> days_of(const config::BrokerConfig& config) {
  const auto& keep = config.privacy.retention;
  return {{Holding::payloads, keep.payloads_days},
          {Holding::requests, keep.requests_days},
          {Holding::decision_inputs, keep.decision_inputs_days},
          {Holding::jobs, keep.jobs_days},
          {Holding::usage_persons, keep.usage_persons_days},
          {Holding::tokens, keep.tokens_days},
          {Holding::sessions, keep.sessions_days},
          {Holding::changes, keep.changes_days},
          {Holding::accesses, keep.accesses_days},
          {Holding::code, std::chrono::ceil<std::chrono::days>(config.code.keep).count()},
          {Holding::logs, keep.logs_days},
          {Holding::backups, keep.backups_days}};
}

api::Responsible responsible(const std::optional<std::string>& controller, const std::optional<std::string>& processor,
                             const std::optional<std::string>& contact) {
  return {.controller = controller.value_or(""), .processor = processor.value_or(""), .contact = contact.value_or("")};
}

}  // namespace

engine::ProtectionOptions protection_options(const config::BrokerConfig& config) {
  engine::ProtectionOptions options;
  options.keep_copies = std::chrono::days{config.privacy.retention.backups_days};
  for (const auto& [holding, days] : days_of(config)) {
    if (domain::retention_of(holding).keeper == domain::Keeper::broker) options.keep[holding] = std::chrono::days{days};
  }
  return options;
}

api::PrivacyFacts privacy_facts(const config::BrokerConfig& config) {
  const auto& privacy = config.privacy;
  api::PrivacyFacts facts{.broker = responsible(privacy.controller, privacy.processor, privacy.contact),
                          .legal_basis = privacy.legal_basis.value_or(""),
                          .sites = {},
                          .days = days_of(config)};
  for (const auto& site : config.sites) {
    facts.sites.push_back({.id = site.id.str(),
                           .name = site.name,
                           .country = site.country,
                           .responsible = responsible(site.controller, site.processor, site.contact)});
  }
  return facts;
}

}  // namespace hansa::app
