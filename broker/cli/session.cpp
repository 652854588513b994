// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/session.hpp"

#include "broker/cli/credential.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

namespace hansa::cli {

namespace {
constexpr std::size_t kAnswerDepth = 32;
constexpr Milliseconds kMostPatience{60'000};
}  // namespace

Result<const config::ClientConfig*> Session::settings() {
  if (!settings_) {
    auto loaded = config::load_client_config(flags_, outside_.environment);
    if (!loaded) return std::unexpected(loaded.error());
    settings_ = std::move(*loaded);
  }
  return &*settings_;
}

Result<void> Session::connect() {
  if (link_) return {};
  const auto config = settings();
  if (!config) return std::unexpected(config.error());
  auto found = find_credential(**config, outside_);
  if (!found) return std::unexpected(found.error());
  if (!found->exposed_file.empty()) note("warning: others can read your token; run: chmod 600 " + found->exposed_file);
  return use(std::move(found->token), std::move(found->from));
}

Result<Answer> Session::send(std::string_view method, std::string_view target, std::string_view body,
                             const BrokerLink::Fields& fields) {
  if (auto linked = connect(); !linked) return std::unexpected(linked.error());
  return patiently([&] { return link_->send(method, target, body, fields); });
}

Result<Answer> Session::stream(std::string_view target, const std::function<bool(std::string_view)>& take) {
  if (auto linked = connect(); !linked) return std::unexpected(linked.error());
  return patiently([&] { return link_->stream(target, take); });
}

Result<Answer> Session::patiently(const std::function<Result<Answer>()>& ask) {
  for (Milliseconds waited{0};;) {
    auto answer = ask();
    if (answer || answer.error().code != "TOO_MANY_REQUESTS") return answer;
    // Up to a quarter more: many commands of one script would else come back at the same moment.
    std::array<std::byte, 1> drawn{};
    outside_.random.fill(drawn);
    const Milliseconds asked = std::max(link_->retry_after(), Seconds{1});
    const auto wait = asked + asked * std::to_integer<int>(drawn[0]) / 1'024;
    if (waited + wait > kMostPatience) return answer;
    if (waited.count() == 0) note("the broker is asked too often; it is asked again in " + duration_text(wait));
    outside_.pause(wait);
    waited += wait;
  }
}

Result<void> Session::use(Secret token, std::string from) {
  const auto config = settings();
  if (!config) return std::unexpected(config.error());
  auto opened = BrokerLink::open(**config, std::move(token), std::move(from));
  if (!opened) return std::unexpected(opened.error());
  link_.emplace(std::move(*opened));
  return {};
}

Result<Json> Session::issuers() {
  const auto config = settings();
  if (!config) return std::unexpected(config.error());
  auto open = BrokerLink::open(**config, {}, "");
  if (!open) return std::unexpected(open.error());
  const auto answer = open->send("GET", "/v1/issuers");
  if (!answer) return std::unexpected(answer.error());
  return read(*answer);
}

Result<Json> Session::read(const Answer& answer) {
  auto json = parse_json(answer.body, kAnswerDepth);
  if (json) return json;
  return fail(ErrorKind::internal, "BAD_ANSWER",
              "what answers there is no Hansa broker: " + json.error().message + "; check the address");
}

void Session::complain(const Error& error) const { outside_.err(complaint(error)); }

std::string complaint(const Error& error) {
  auto text = "hansa: " + printable(error.message) + "\n";
  // A single fault is what the message already says.
  const bool told = error.faults.size() == 1 && error.message.contains(error.faults[0].message);
  if (told) return text;
  for (const auto& fault : error.faults) {
    text += "  " + printable(fault.where) + (fault.where.empty() || fault.where.ends_with(':') ? " " : ": ") +
            printable(fault.message) + "\n";
  }
  return text;
}

const Json& member(const Json& json, const char* key) {
  static const Json kNothing;
  if (!json.is_object()) return kNothing;
  const auto at = json.find(key);
  return at == json.end() ? kNothing : *at;
}

std::string raw_text(const Json& json, const char* key) {
  const auto& value = member(json, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string shown(const Json& json, const char* key) { return printable(raw_text(json, key)); }

std::string listed(const Json& list) {
  std::string text;
  if (!list.is_array()) return text;
  for (const auto& entry : list) {
    if (entry.is_string()) text += (text.empty() ? "" : ", ") + printable(entry.get<std::string>());
  }
  return text;
}

std::optional<std::int64_t> number(const Json& json, const char* key) {
  const auto& value = member(json, key);
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<std::uint64_t>() > kMostExact)) return std::nullopt;
  const auto number = value.get<std::int64_t>();
  return number < -kMostExact ? std::nullopt : std::optional(number);
}

std::string number_text(const Json& json, const char* key) {
  const auto value = number(json, key);
  return value ? std::to_string(*value) : std::string();
}

std::optional<UtcTime> time(const Json& json, const char* key) {
  const auto parsed = parse_utc(raw_text(json, key));
  return parsed ? std::optional(*parsed) : std::nullopt;
}

std::string reason_text(const Json& json, const char* key) {
  const auto& reason = member(json, key);
  const auto code = shown(reason, "code");
  return code.empty() ? "" : code + ": " + shown(reason, "message");
}

Tint tint_of(std::string_view state) {
  if (state == "succeeded" || state == "up") return Tint::good;
  if (state == "failed" || state == "timed_out" || state == "lost" || state == "rejected" || state == "down") return Tint::bad;
  if (state == "running" || state == "finishing") return Tint::busy;
  if (state == "held" || state == "cancelled" || state == "drained" || state == "unseen") return Tint::odd;
  return Tint::none;
}

std::string duration_text(Milliseconds duration) {
  return format_duration(std::max(std::chrono::floor<Seconds>(duration), Seconds{0}));
}

std::string size_text(std::int64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  for (; bytes >= 10 * 1024 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1024;
  return std::to_string(bytes) + " " + kUnits[unit];
}

std::string age_text(const std::optional<UtcTime>& then, UtcTime now) {
  return then ? duration_text(now - *then) : std::string();
}

}  // namespace hansa::cli
