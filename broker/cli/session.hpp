// SPDX-License-Identifier: Apache-2.0
#pragma once
// One call of `hansa`: its outside, its settings, and the link to the broker, opened when first needed.

#include "broker/cli/broker_link.hpp"
#include "broker/cli/exit_status.hpp"
#include "broker/cli/surroundings.hpp"
#include "broker/core/time_text.hpp"

#include <optional>

namespace hansa::cli {

class Session {
 public:
  Session(Surroundings& outside, config::ClientSettings flags) : outside_(outside), flags_(std::move(flags)) {}

  /// Flags, environment and the person's file together. `flags` of this call may be changed before the first use.
  Result<const config::ClientConfig*> settings();
  config::ClientSettings& flags() { return flags_; }

  /// A broker that is asked too often (429, TOO_MANY_REQUESTS) has done nothing: it is asked again when it says, for up to a
  /// minute.
  Result<Answer> send(std::string_view method, std::string_view target, std::string_view body = {},
                      const BrokerLink::Fields& fields = {});
  /// GET whose body is handed over as it comes.
  Result<Answer> stream(std::string_view target, const std::function<bool(std::string_view)>& take);
  /// From now on with this token, wherever one would be taken from.
  Result<void> use(Secret token, std::string from);
  /// The broker's issuers, which it tells anybody.
  Result<Json> issuers();
  /// An answer's JSON; an Error where what answered was no broker.
  static Result<Json> read(const Answer& answer);

  [[nodiscard]] Surroundings& outside() const { return outside_; }
  void print(std::string_view text) const { outside_.out(text); }
  /// One line on standard error, "hansa: ...".
  void note(std::string_view text) const { outside_.err("hansa: " + printable(text) + "\n"); }
  /// As an error ends a call: one line, then every fault of the input.
  void complain(const Error& error) const;
  [[nodiscard]] const Look& look() const { return outside_.look; }
  [[nodiscard]] UtcTime now() const { return outside_.clock.now_utc(); }

 private:
  Result<void> connect();
  Result<Answer> patiently(const std::function<Result<Answer>()>& ask);

  Surroundings& outside_;
  config::ClientSettings flags_;
  std::optional<config::ClientConfig> settings_;
  std::optional<BrokerLink> link_;
};

/// "hansa: what; what to do", then one line for each fault.
std::string complaint(const Error& error);

// --- the broker's JSON, read without trust: absent, null and of another type are the same as empty ---
const Json& member(const Json& json, const char* key);
std::string raw_text(const Json& json, const char* key);
/// Fit for a terminal.
std::string shown(const Json& json, const char* key);
/// The texts of a list, as "a, b".
std::string listed(const Json& list);
/// The largest integer that JSON carries between programs unchanged (RFC 7493, 2.2). Sums of two fit, and so many seconds in
/// milliseconds.
constexpr std::int64_t kMostExact = (std::int64_t{1} << 53) - 1;
/// An integer of at most that size, of either sign.
std::optional<std::int64_t> number(const Json& json, const char* key);
std::string number_text(const Json& json, const char* key);
std::optional<UtcTime> time(const Json& json, const char* key);
/// "CODE: message" of a {"code", "message"} member, or "".
std::string reason_text(const Json& json, const char* key = "reason");

// --- words for people ---
Tint tint_of(std::string_view state);
std::string duration_text(Milliseconds duration);
/// "4096 bytes", "12 GiB".
std::string size_text(std::int64_t bytes);
std::string age_text(const std::optional<UtcTime>& then, UtcTime now);

}  // namespace hansa::cli
