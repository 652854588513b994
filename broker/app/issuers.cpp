// SPDX-License-Identifier: Apache-2.0
#include "broker/app/issuers.hpp"

#include "broker/app/state_folder.hpp"
#include "config/text_file.hpp"

#include <sys/stat.h>

#include <utility>

namespace hansa::app {

namespace {

constexpr std::size_t kMostSecretBytes = 4'096;
constexpr std::size_t kMostKeptBytes = std::size_t{1} << 20;

Result<Secret> read_secret(const std::filesystem::path& file) {
  struct stat found{};
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorKind::invalid_argument, "BAD_ISSUER", file.string() + " " + why);
  };
  if (::stat(file.c_str(), &found) != 0 || !S_ISREG(found.st_mode))
    return refuse("cannot be read by the account that runs hansad");
  if ((found.st_mode & 077U) != 0) return refuse("can be read by others: chmod 0600 it, and have the issuer change the secret");
  auto text = config::read_text_file(file.string(), kMostSecretBytes);
  if (!text) return refuse("cannot be read by the account that runs hansad");
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  if (text->empty()) return refuse("is empty");
  return Secret(std::move(*text));
}

identity::ClaimsFrom claims_from(config::ClaimsSource source) {
  switch (source) {
    case config::ClaimsSource::token: return identity::ClaimsFrom::token;
    case config::ClaimsSource::userinfo: return identity::ClaimsFrom::userinfo;
    case config::ClaimsSource::introspection: return identity::ClaimsFrom::introspection;
  }
  return identity::ClaimsFrom::token;
}

identity::Issuer issuer_of(const config::IssuerConfig& config, std::vector<Fault>& faults) {
  identity::Issuer issuer{.terms = {.id = config.id,
                                    .url = config.url,
                                    .audience = config.audience,
                                    .algorithms = {},
                                    .typed = config.typed_tokens,
                                    .longest = config.longest_token,
                                    .clients = config.clients},
                          .provider = {.id = config.id,
                                       .url = config.url,
                                       .other_origins = config.other_origins,
                                       .claims_from = claims_from(config.claims_from),
                                       .client = config.introspection_client.value_or(""),
                                       .ca_file = config.ca_file ? config.ca_file->string() : "",
                                       .private_addresses = config.private_addresses},
                          .standing = {.groups_claim = config.groups_claim,
                                       .plain = config.groups == config::GroupNames::plain,
                                       .assurance_claim = config.assurance_claim,
                                       .assurance = config.required_assurance},
                          .claims_last = config.claims_last,
                          .refused = {config.refused_subjects.begin(), config.refused_subjects.end()},
                          .name = config.name.value_or(config.id),
                          .login_client = config.login_client.value_or(""),
                          .scopes = config.scopes,
                          .resource = config.resource.value_or("")};
  const auto place = "issuer[" + config.id + "]";
  for (const auto& word : config.algorithms) {
    if (const auto algorithm = identity::parse_algorithm(word)) issuer.terms.algorithms.push_back(*algorithm);
  }
  const auto rule_of = [&](const std::string& text, const char* key) {
    auto rule = identity::GroupRule::make(text, issuer.standing.plain);
    if (!rule) faults.push_back({place + "." + key, rule.error().message});
    return rule;
  };
  for (const auto& [group, project] : config.projects) {
    if (auto rule = rule_of(group, "projects")) issuer.standing.projects.emplace_back(std::move(*rule), project);
  }
  for (const auto& [group, project] : config.leads) {
    if (auto rule = rule_of(group, "leads")) issuer.standing.leads.emplace_back(std::move(*rule), project);
  }
  for (const auto& [group, site] : config.site_operators) {
    if (auto rule = rule_of(group, "site_operators")) issuer.standing.site_operators.emplace_back(std::move(*rule), site);
  }
  for (const auto& [group, word] : config.roles) {
    const auto role = identity::parse_role(word);
    if (auto rule = rule_of(group, "roles"); rule && role) issuer.standing.roles.emplace_back(std::move(*rule), *role);
  }
  if (config.introspection_secret_file) {
    auto secret = read_secret(*config.introspection_secret_file);
    if (secret)
      issuer.provider.client_secret = std::move(*secret);
    else
      faults.push_back({place + ".introspection_secret_file", secret.error().message});
  }
  return issuer;
}

}  // namespace

Result<std::vector<identity::Issuer>> issuers_of(const config::BrokerConfig& config) {
  std::vector<identity::Issuer> issuers;
  std::vector<Fault> faults;
  for (const auto& one : config.issuers) issuers.push_back(issuer_of(one, faults));
  if (faults.empty()) return issuers;
  auto error = fail(ErrorKind::invalid_argument, "BAD_ISSUER", "an issuer cannot be used as it is configured");
  error.error().faults = std::move(faults);
  return error;
}

identity::KeptKeys kept_keys(const std::filesystem::path& state_dir, const std::string& issuer) {
  const auto file = state_dir / "issuers" / (issuer + ".json");
  return {.read =
              [file] {
                auto text = config::read_text_file(file.string(), kMostKeptBytes);
                return text ? std::move(*text) : std::string();
              },
          .write = [file](std::string_view text) -> Result<void> {
            if (auto made = make_state_folder(file.parent_path()); !made) return made;
            return write_private_file(file, text);
          }};
}

}  // namespace hansa::app
