// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/enrolment.hpp"

#include "broker/async/real_scheduler.hpp"
#include "broker/async/with_deadline.hpp"
#include "broker/core/canonical_json.hpp"
#include "config/text_file.hpp"
#include "connectors/agent/serve.hpp"
#include "connectors/websocket/agent_key.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <optional>
#include <system_error>

namespace hansa::connectors::agent {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostBytes = 65'536;
constexpr Milliseconds kEnrolWithin{60'000};

fs::path key_file(const config::AgentConfig& config) { return config.agent.state_dir / "agent.key"; }
fs::path new_key_file(const config::AgentConfig& config) { return config.agent.state_dir / "agent.key.new"; }
fs::path enrolment_file(const config::AgentConfig& config) { return config.agent.state_dir / "enrolment.json"; }

std::unexpected<Error> bad_wish(const std::string& what) { return fail(ErrorKind::invalid_argument, "BAD_ENROLMENT", what); }

Result<void> make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return bad_wish("cannot make " + folder.string() + " (" + std::generic_category().message(errno) +
                    "): make it (0700) for the agent's account, or set agent.state_dir");
  struct stat facts{};
  if (::stat(folder.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode) || facts.st_uid != ::geteuid() || (facts.st_mode & 077) != 0)
    return bad_wish(folder.string() +
                    " must be a folder of the agent's own account that nobody else can enter (0700): the key lies there");
  return {};
}

Result<Secret> read_token(const std::string& file) {
  std::string text;
  if (file == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    auto read = config::read_text_file(file, kMostBytes);
    if (!read) return bad_wish("the token's file " + file + " cannot be read: " + read.error().message);
    text = std::move(*read);
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  const bool good =
      !text.empty() && text.size() <= 256 &&
      text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
  Secret token(std::move(text));
  if (!good) return bad_wish("that is no enrolment token: an operator of the broker makes one with hansa site enroll");
  return token;
}

Result<websocket::DialOptions> dial_options(const config::AgentConfig& config, const std::string& broker, std::string pin,
                                            const fs::path& ca_file, std::string name) {
  auto url = websocket::parse_broker_address(broker);
  if (!url) return std::unexpected(std::move(url.error()));
  if (!pin.empty() && !websocket::is_key_id(pin))
    return bad_wish("\"" + pin + "\" is no key's id: \"sha256:\" and 64 digits of 0-9a-f, as hansa site enroll says it");
  if (!pin.empty() && !ca_file.empty())
    return bad_wish("a pin and a CA stand side by side: one of the two says who the broker is");
  if (!ca_file.empty() && !ca_file.is_absolute())
    return bad_wish("the CA's file must be an absolute path: the service uses it as well");
  auto proxy = proxy_to(config, *url);
  if (!proxy) return std::unexpected(std::move(proxy.error()));
  return websocket::DialOptions{.broker = std::move(*url),
                                .pin = std::move(pin),
                                .ca_file = ca_file,
                                .key_file = key_file(config),
                                .site = config.site.id,
                                .name = std::move(name),
                                .proxy = std::move(*proxy)};
}

/// Runs a task to its end on a loop of its own.
Result<void> run(async::Task<> task) {
  boost::asio::io_context context{1};
  std::optional<Result<void>> outcome;
  boost::asio::co_spawn(context, async::without_exceptions(std::move(task)),
                        [&](const std::exception_ptr&, Result<void> result) { outcome = std::move(result); });
  context.run();
  return outcome.value_or(fail(ErrorKind::internal, "NO_OUTCOME", "internal error"));
}

/// The key to enrol with; `fresh`: it lies in agent.key.new, from now or from an attempt before.
Result<fs::path> key_to_enrol(const config::AgentConfig& config, bool wish_new, bool& fresh) {
  const auto next = new_key_file(config);
  std::error_code ignored;
  fresh = fs::exists(next, ignored) || wish_new || !fs::exists(key_file(config), ignored);
  if (!fresh) return key_file(config);
  // One that was cut off while it was written, or that others could read, is of no use to any attempt.
  if (!websocket::key_id_of_key_file(next)) {
    fs::remove(next, ignored);
    if (auto made = websocket::make_key_file(next); !made) return std::unexpected(std::move(made.error()));
  }
  return next;
}

Result<void> keep(const config::AgentConfig& config, const EnrolmentWish& wish, bool fresh) {
  const auto draft = enrolment_file(config).string() + ".new";
  ::unlink(draft.c_str());
  const Json json{{"site", config.site.id.str()}, {"broker", wish.broker}, {"pin", wish.pin}, {"ca_file", wish.ca_file}};
  if (auto written = websocket::write_private_file(draft, canonical_json(json) + "\n"); !written) return written;
  // The key first: with the old enrolment it still reaches the broker that has just bound it.
  const bool kept = (!fresh || ::rename(new_key_file(config).c_str(), key_file(config).c_str()) == 0) &&
                    ::rename(draft.c_str(), enrolment_file(config).c_str()) == 0 &&
                    websocket::sync_folder(config.agent.state_dir);
  if (kept) return {};
  return bad_wish("cannot keep the enrolment in " + config.agent.state_dir.string() + ": " +
                  std::generic_category().message(errno) + "; mend that, and give the same command again");
}

Result<void> try_to_enroll(const config::AgentConfig& config, const EnrolmentWish& wish, const std::string& name) {
  auto options = dial_options(config, wish.broker, wish.pin, wish.ca_file, name);
  if (!options) return std::unexpected(std::move(options.error()));
  auto token = read_token(wish.token_file);
  if (!token) return std::unexpected(std::move(token.error()));
  if (auto folder = make_folder(config.agent.state_dir); !folder) return folder;
  bool fresh = false;
  auto key = key_to_enrol(config, wish.new_key, fresh);
  if (!key) return std::unexpected(std::move(key.error()));
  options->key_file = *key;
  async::RealScheduler scheduler;
  const auto deadline = async::Deadline::in(scheduler, kEnrolWithin);
  websocket::Dialler dialler(scheduler, *options);
  auto done = run(async::with_deadline(scheduler, deadline, dialler.enrol(std::move(*token), deadline)));
  if (!done) {
    if (done.error().kind == ErrorKind::deadline_exceeded)
      done.error().message =
          "the broker at " + wish.broker + " did not answer within a minute: a firewall, or no network between";
    return done;
  }
  return keep(config, wish, fresh);
}

}  // namespace

Result<std::optional<websocket::Proxy>> proxy_to(const config::AgentConfig& config, const http::Url& broker) {
  auto proxy = websocket::proxy_for(config.agent.proxy, broker, [](const char* name) { return std::getenv(name); });
  const auto& file = config.agent.proxy_login_file;
  if (!proxy || !*proxy || !file) return proxy;
  if (const auto exposed = config::exposure_of(file->string())) return bad_wish("agent.proxy_login_file: " + *exposed);
  auto login = config::read_text_file(file->string(), kMostBytes);
  if (!login) return bad_wish("agent.proxy_login_file " + file->string() + " cannot be read: " + login.error().message);
  while (login->ends_with('\n') || login->ends_with('\r')) login->pop_back();
  (*proxy)->login = Secret(std::move(*login));
  const auto text = (*proxy)->login.reveal();
  const bool good = text.contains(':') && std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
  if (!good) return bad_wish("agent.proxy_login_file " + file->string() + " does not hold one line, USER:PASSWORD");
  return proxy;
}

Result<websocket::DialOptions> load_enrolment(const config::AgentConfig& config, std::string name) {
  const auto file = enrolment_file(config);
  const auto refuse = [&](std::string_view code, const std::string& what) {
    return fail(ErrorKind::not_found, code,
                what + ": hansa-agent enroll, with a token of an operator of the broker (hansa site enroll " +
                    config.site.id.str() + ")");
  };
  auto text = config::read_text_file(file.string(), kMostBytes);
  if (!text) return refuse("NOT_ENROLLED", "this agent is not enrolled with any broker (" + text.error().message + ")");
  const auto json = parse_json(*text, 4);
  const auto field = [&](const char* key) {
    const auto is_there = json && json->is_object() && json->contains(key) && (*json)[key].is_string();
    return is_there ? (*json)[key].get<std::string>() : std::string();
  };
  if (field("broker").empty()) return refuse("NOT_ENROLLED", file.string() + " is not what enrolling writes");
  if (field("site") != config.site.id.str())
    return refuse("NOT_ENROLLED",
                  "this agent is enrolled for site \"" + field("site") + "\", not \"" + config.site.id.str() + "\"");
  return dial_options(config, field("broker"), field("pin"), field("ca_file"), std::move(name));
}

int enroll(const config::AgentConfig& config, const EnrolmentWish& wish, const std::string& name) {
  if (auto done = try_to_enroll(config, wish, name); !done) {
    std::fprintf(stderr, "hansa-agent: not enrolled (%s): %s\n", done.error().code.c_str(), done.error().message.c_str());
    return done.error().code == "BAD_ENROLMENT" || done.error().code == "BAD_ADDRESS" || done.error().code == "BAD_PROXY"
               ? kExitUsage
               : kExitUnavailable;
  }
  const auto key = websocket::key_id_of_key_file(key_file(config));
  std::printf("site %s is bound to this agent's key, %s; now start the service: hansa-agent --connect\n",
              config.site.id.str().c_str(), key ? key->c_str() : "?");
  return kExitOk;
}

}  // namespace hansa::connectors::agent
