// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/credential.hpp"

#include "broker/cli/files.hpp"
#include "broker/cli/login_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

namespace hansa::cli {
namespace {

constexpr std::size_t kMostTokenFile = std::size_t{16} << 10;
constexpr Seconds kRenewBefore{60};
constexpr int kAgentPatienceMs = 30'000;  // it may have to renew the token itself
constexpr std::size_t kMostAgentAnswer = std::size_t{64} << 10;

std::unexpected<Error> no_token(const std::string& why) {
  return fail(ErrorKind::unauthenticated, "NO_TOKEN",
              why +
                  "; run hansa login, or give the file with your token by --token-file, HANSA_TOKEN_FILE or token_file in "
                  "~/.config/hansa/config.toml (an operator makes tokens: hansa token create)");
}

std::string variable(const Surroundings& outside, const char* name) {
  const char* value = outside.environment(name);
  return value == nullptr ? std::string() : std::string(value);
}

/// Without the line's end that editors leave there.
std::string trimmed(std::string text) {
  while (text.ends_with('\n') || text.ends_with('\r') || text.ends_with(' ')) text.pop_back();
  return text;
}

Result<Credential> of_file(const std::string& path) {
  auto token = read_file(path, kMostTokenFile);
  if (!token) return no_token(token.error().message);
  auto text = trimmed(std::move(token->text));
  if (text.empty()) return no_token(path + " is empty");
  return Credential{.token = Secret(std::move(text)), .from = path, .exposed_file = token->exposed ? path : ""};
}

/// In a folder that is everybody's: a file that is ours, and no link.
bool is_own_file(const std::string& path) {
  struct stat facts{};
  return ::lstat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_uid == ::geteuid();
}

Result<Credential> of_login(const config::ClientConfig& config, const Surroundings& outside) {
  auto file = LoginFile::open(outside.environment);
  if (!file) return std::unexpected(file.error());
  const auto* found = file->of(config.url);
  if (found == nullptr) return no_token("you are not logged in at " + config.url);
  auto login = *found;
  const auto from = "your login at issuer " + login.issuer.id;
  if (outside.clock.now_utc() + kRenewBefore < login.tokens.expires_at)
    return Credential{.token = login.tokens.access, .from = from};
  if (login.tokens.refresh.empty())
    return fail(ErrorKind::unauthenticated, "LOGIN_OVER",
                "your login at issuer " + login.issuer.id + " is over; run hansa login again");
  login.issuer.ca_file = config.ca_file ? config.ca_file->string() : "";
  auto tokens = refresh(outside.clock, login.issuer, login.tokens.refresh);
  if (!tokens) return std::unexpected(tokens.error());
  login.tokens = std::move(*tokens);
  if (auto kept = file->keep(login); !kept) return std::unexpected(kept.error());
  return Credential{.token = login.tokens.access, .from = from};
}

/// oidc-agent's protocol (api-ipc.md of oidc-agent 4 and 5): one JSON object each way over a Unix socket.
Result<Json> ask_agent(const std::string& path, const Json& question) {
  const auto refuse = [](const std::string& why) { return no_token("oidc-agent (OIDC_SOCK) gives no token: " + why); };
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!socket || path.size() >= sizeof address.sun_path) return refuse("its socket's path is too long");
  path.copy(address.sun_path, path.size());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return refuse("it does not run at " + path);
  const auto text = question.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
    return refuse("it hung up");
  std::string told;
  std::array<char, 4096> buffer{};
  for (;;) {  // an answer has no end but its last brace
    pollfd state{.fd = socket.get(), .events = POLLIN, .revents = 0};
    if (::poll(&state, 1, kAgentPatienceMs) <= 0) return refuse("no answer in time");
    const auto got = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) told.append(buffer.data(), static_cast<std::size_t>(got));
    const auto json = parse_json(told);
    if (json && json->is_object()) return *json;
    if (got <= 0 || told.size() > kMostAgentAnswer) return refuse("no answer that can be read");
  }
}

/// What oidc-agent may be asked for. Never what a broker names by itself: it would be given a token for another service.
struct AgentTerms {
  std::string issuer, audience;
};
std::optional<AgentTerms> agent_terms(const config::ClientConfig& config, const Surroundings& outside) {
  AgentTerms terms{.issuer = config.oidc_issuer, .audience = config.oidc_audience};
  if (terms.issuer.empty() && LoginFile::exists(outside.environment)) {
    const auto file = LoginFile::open(outside.environment);
    const auto* login = file ? file->of(config.url) : nullptr;
    if (login != nullptr) terms = {.issuer = login->issuer.url, .audience = login->issuer.audience};
  }
  return terms.issuer.empty() || terms.audience.empty() ? std::nullopt : std::optional(std::move(terms));
}

Result<Credential> of_agent(const std::string& socket, const AgentTerms& terms) {
  const auto told = ask_agent(socket, {{"request", "access_token"},
                                       {"issuer", terms.issuer},
                                       {"min_valid_period", kRenewBefore.count()},
                                       {"application_hint", "hansa"},
                                       {"audience", terms.audience}});
  if (!told) return std::unexpected(told.error());
  const auto token = told->find("access_token");
  if (token != told->end() && token->is_string())
    return Credential{.token = Secret(token->get<std::string>()), .from = "oidc-agent"};
  const auto error = told->find("error");
  return no_token(
      "oidc-agent has no token of " + terms.issuer + ": " +
      (error != told->end() && error->is_string() ? error->get<std::string>().substr(0, 200) : "it does not say why"));
}

}  // namespace

std::string before_login(const config::ClientConfig& config, const Surroundings& outside) {
  if (config.token_file) return config.token_file->string();
  if (!variable(outside, "BEARER_TOKEN").empty()) return "BEARER_TOKEN";
  return variable(outside, "BEARER_TOKEN_FILE");
}

Result<Credential> find_credential(const config::ClientConfig& config, const Surroundings& outside) {
  if (config.token_file) return of_file(config.token_file->string());
  if (auto token = trimmed(variable(outside, "BEARER_TOKEN")); !token.empty())
    return Credential{.token = Secret(std::move(token)), .from = "BEARER_TOKEN"};
  if (const auto file = variable(outside, "BEARER_TOKEN_FILE"); !file.empty()) return of_file(file);
  const auto socket = variable(outside, "OIDC_SOCK");
  const auto terms = socket.empty() ? std::nullopt : agent_terms(config, outside);
  if (LoginFile::exists(outside.environment)) {
    auto login = of_login(config, outside);
    const bool agent_may_help = !login && login.error().code == "LOGIN_OVER" && terms;
    if (login || (login.error().code != "NO_TOKEN" && !agent_may_help)) return login;
  }
  if (terms) return of_agent(socket, *terms);
  const auto name = "/bt_u" + std::to_string(::geteuid());
  const auto runtime = variable(outside, "XDG_RUNTIME_DIR");
  for (const auto& folder : {runtime, std::string("/tmp")}) {
    if (!folder.empty() && is_own_file(folder + name)) return of_file(folder + name);
  }
  return no_token(socket.empty()
                      ? "no token is set"
                      : "no token is set, and oidc-agent (OIDC_SOCK) is not asked, as neither a login at " + config.url +
                            " nor oidc_issuer and oidc_audience beside its url in ~/.config/hansa/config.toml say for what");
}

}  // namespace hansa::cli
