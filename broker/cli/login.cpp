// SPDX-License-Identifier: Apache-2.0
// Logging in at a broker through one of the issuers that it takes, and out again; and who one is there.
#include "broker/cli/command_line.hpp"
#include "broker/cli/commands.hpp"
#include "broker/cli/credential.hpp"
#include "broker/cli/login_file.hpp"

#include <algorithm>

namespace hansa::cli {
namespace {

std::vector<LoginIssuer> issuers_in(const Json& told) {
  std::vector<LoginIssuer> issuers;
  const auto& list = member(told, "issuers");
  for (const auto& entry : list.is_array() ? list : Json::array()) {
    LoginIssuer issuer{.id = raw_text(entry, "id"),
                       .name = raw_text(entry, "name"),
                       .url = raw_text(entry, "url"),
                       .client = raw_text(entry, "client_id"),
                       .scope = {},
                       .resource = raw_text(entry, "resource"),
                       .ca_file = {}};
    issuer.audience = raw_text(entry, "audience");
    for (const auto& scope : member(entry, "scopes").is_array() ? member(entry, "scopes") : Json::array()) {
      if (scope.is_string()) issuer.scope += (issuer.scope.empty() ? "" : " ") + scope.get<std::string>();
    }
    issuers.push_back(std::move(issuer));
  }
  return issuers;
}

std::string names_of(const std::vector<LoginIssuer>& issuers) {
  std::string names;
  for (const auto& issuer : issuers) names += (names.empty() ? "" : ", ") + printable(issuer.id);
  return names;
}

Result<LoginIssuer> chosen(const std::vector<LoginIssuer>& issuers, std::optional<std::string_view> wanted) {
  if (issuers.empty()) {
    return fail(ErrorKind::not_found, "NO_ISSUER",
                "this broker takes tokens of no issuer: its operator makes you one (hansa token create)");
  }
  if (!wanted && issuers.size() > 1)
    return usage("this broker takes several issuers; name yours with --issuer: " + names_of(issuers));
  const auto at = wanted ? std::ranges::find(issuers, *wanted, &LoginIssuer::id) : issuers.begin();
  if (at == issuers.end())
    return fail(ErrorKind::not_found, "NO_ISSUER",
                "this broker has no issuer \"" + printable(*wanted) + "\"; it has: " + names_of(issuers));
  if (at->client.empty())
    return fail(ErrorKind::not_found, "NO_LOGIN_CLIENT",
                "issuer " + printable(at->id) + " has no client for hansa login: bring its tokens by oidc-agent or BEARER_TOKEN");
  return *at;
}

/// Whether a browser that we start would be seen.
bool has_screen(const Session& session) {
  const auto is_set = [&](const char* name) {
    const char* value = session.outside().environment(name);
    return value != nullptr && *value != '\0';
  };
  return session.look().width > 0 && (is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"));
}

std::string me_text(const Json& me) {
  const auto projects = listed(member(me, "projects"));
  const auto sites = listed(member(me, "sites")), leads = listed(member(me, "leads"));
  const auto& vouched = member(me, "vouched");
  const auto identity = shown(vouched, "assurance"), login = shown(vouched, "authentication");
  return shown(me, "principal") + " (" + shown(me, "role") + (sites.empty() ? "" : " of " + sites) + "), " +
         (projects.empty() ? "a member of no project: ask an operator to add you to one" : "of the projects: " + projects) +
         (leads.empty() ? "" : "; leads: " + leads) + (identity.empty() ? "" : "; identity proven: " + identity) +
         (login.empty() ? "" : "; logged in by " + login);
}

ExitStatus list_issuers(const Session& session, const Json& told, bool json) {
  if (json) {
    session.print(told.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    return ExitStatus::done;
  }
  Table table({{"ISSUER"}, {"NAME"}, {"LOGIN"}, {"URL", false, true}});
  for (const auto& issuer : issuers_in(told))
    table.add({printable(issuer.id), printable(issuer.name), issuer.client.empty() ? "no" : "yes", printable(issuer.url)});
  session.print(table.text(session.look()));
  return ExitStatus::done;
}

}  // namespace

Result<ExitStatus> login(Session& session, const Invocation& call) {
  if (call.has("--device") && call.has("--browser")) return usage("--device and --browser are two ways; name one");
  const auto config = session.settings();
  if (!config) return std::unexpected(config.error());
  const auto told = session.issuers();
  if (!told) return std::unexpected(told.error());
  if (call.has("--list")) return list_issuers(session, *told, call.has("--json"));
  auto issuer = chosen(issuers_in(*told), call.value("--issuer"));
  if (!issuer) return std::unexpected(issuer.error());
  issuer->broker = (*config)->url;
  issuer->ca_file = (*config)->ca_file ? (*config)->ca_file->string() : "";
  if (auto described = describe(*issuer); !described) return std::unexpected(described.error());

  const bool screen = has_screen(session);
  const bool by_browser = call.has("--browser") || (!call.has("--device") && (screen || issuer->device_url.empty()));
  auto tokens = by_browser ? log_in_by_browser(session.outside(), *issuer, screen) : log_in_by_device(session.outside(), *issuer);
  if (!tokens) return std::unexpected(tokens.error());

  // Kept only if the broker takes it.
  if (auto used = session.use(tokens->access, "this login"); !used) return std::unexpected(used.error());
  const auto answer = session.send("GET", "/v1/me");
  if (!answer) return std::unexpected(answer.error());
  const auto me = Session::read(*answer);
  if (!me) return std::unexpected(me.error());
  auto file = LoginFile::open(session.outside().environment);
  if (!file) return std::unexpected(file.error());
  if (auto kept = file->keep({.broker = (*config)->url, .issuer = std::move(*issuer), .tokens = std::move(*tokens)}); !kept)
    return std::unexpected(kept.error());
  if (const auto other = before_login(**config, session.outside()); !other.empty())
    session.note("other calls go on to use the token of " + other + ", which comes before this login");
  session.print(call.has("--json") ? answer->body : "logged in as " + me_text(*me) + "\n");
  return ExitStatus::done;
}

Result<ExitStatus> logout(Session& session, const Invocation&) {
  const auto config = session.settings();
  if (!config) return std::unexpected(config.error());
  if (!LoginFile::exists(session.outside().environment)) {
    session.print("you were not logged in\n");
    return ExitStatus::done;
  }
  auto file = LoginFile::open(session.outside().environment);
  if (!file) return std::unexpected(file.error());
  const auto* found = file->of((*config)->url);
  if (found == nullptr) {
    session.print("you were not logged in at " + printable((*config)->url) + "\n");
    return ExitStatus::done;
  }
  auto login = *found;
  if (auto removed = file->remove(login.broker); !removed) return std::unexpected(removed.error());
  login.issuer.ca_file = (*config)->ca_file ? (*config)->ca_file->string() : "";
  const bool revocable = !login.tokens.refresh.empty() && !login.issuer.revocation_url.empty();
  const auto taken = revocable ? revoke(login.issuer, login.tokens.refresh) : Result<void>{};
  if (!taken) session.note("the login is forgotten here, but its issuer was not told: " + taken.error().message);
  session.print("logged out\n");
  return ExitStatus::done;
}

Result<ExitStatus> whoami(Session& session, const Invocation& call) {
  const auto answer = session.send("GET", "/v1/me");
  if (!answer) return std::unexpected(answer.error());
  const auto me = Session::read(*answer);
  if (!me) return std::unexpected(me.error());
  session.print(call.has("--json") ? answer->body : me_text(*me) + "\n");
  return ExitStatus::done;
}

}  // namespace hansa::cli
