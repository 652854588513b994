// SPDX-License-Identifier: Apache-2.0
#pragma once
// One issuer as it is asked: its description (OpenID Connect Discovery 1.0), its keys, and what it says of who holds a token
// (UserInfo, or RFC 7662). Every call is bounded in time and size, made once for all who wait for it, and goes to no host that
// the configuration does not name. Where it goes is never a token's to say.

#include "broker/async/deadline.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/core/secret.hpp"
#include "broker/identity/key_set.hpp"
#include "broker/identity/shared_calls.hpp"
#include "broker/ports/log.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hansa::identity {

struct OutwardRequest {
  std::string url;
  Secret bearer = {};        // GET with it, if there is no form
  std::string user = {};     // with `password`: HTTP Basic
  Secret password = {};
  Secret form = {};          // POST
  std::string ca_file = {};  // PEM; "": the system's authorities
  bool private_addresses = false;
};

struct OutwardAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
  std::optional<Seconds> max_age = {};  // Cache-Control
};

/// The way out. Errors: unavailable, PROVIDER_UNREACHABLE, ADDRESS_PRIVATE, PROVIDER_ANSWER.
class Outward {
 public:
  virtual ~Outward() = default;
  virtual async::Task<OutwardAnswer> call(OutwardRequest request, async::Deadline deadline) = 0;
};

/// Where keys are kept for the next start; "" if there are none. Blocks.
struct KeptKeys {
  std::function<std::string()> read = [] { return std::string(); };
  std::function<Result<void>(std::string_view text)> write = [](std::string_view) { return Result<void>{}; };
};

/// Where a person's groups and assurance are told.
enum class ClaimsFrom { token, userinfo, introspection };

class Provider {
 public:
  struct Options {
    std::string id, url;
    std::vector<std::string> other_origins = {};  // that its description may send us to: "https://keys.example.org"
    ClaimsFrom claims_from = ClaimsFrom::token;
    std::string client = {};  // as which we introspect
    Secret client_secret = {};
    std::string ca_file = {};
    bool private_addresses = false;
  };
  /// What is so in /metrics.
  struct Figures {
    std::int64_t key_reads = 0, failed_key_reads = 0, claim_calls = 0, failed_claim_calls = 0;
    std::optional<UtcTime> keys_read_at;
  };

  Provider(boost::asio::any_io_executor strand, async::Scheduler& scheduler, Outward& outward, ports::Log& log, Options options,
           KeptKeys kept);

  // On any thread.
  /// Null: none is known that still counts.
  [[nodiscard]] std::shared_ptr<const KeySet> keys() const;
  [[nodiscard]] bool keys_are_old() const;
  [[nodiscard]] Figures figures() const;
  [[nodiscard]] const Options& options() const { return options_; }

  // On the strand.
  /// Takes the keys that were kept. Without I/O to the issuer.
  void load();
  /// Reads the keys anew. By itself at most once a minute (ten seconds where none are known): the error of the last time is
  /// answered meanwhile, and after a success nothing.
  async::Task<> refresh();
  /// Of a token that passed the gate. unauthenticated, TOKEN_INACTIVE, SUBJECT_DIFFERS; unavailable, CLAIMS_UNAVAILABLE.
  async::Task<Json> claims(Secret token, std::string hash, std::string subject);
  async::Task<> close();

  static constexpr Milliseconds kCallTimeout{5'000};
  static constexpr Seconds kBetweenReads{60}, kBetweenFirstReads{10};
  // The WLCG profile 1.3: keys are read again after one to six hours and count for four days at most.
  static constexpr Seconds kLeastFresh{3'600}, kMostFresh{21'600}, kGoodFor{2 * 86'400}, kMostGoodFor{4 * 86'400};

 private:
  struct Held {
    std::shared_ptr<const KeySet> keys;
    MonotonicTime old_at{}, useless_at{};
  };
  struct Description {
    std::string keys_url, userinfo_url, introspection_url;
  };

  async::Task<> read_keys();
  async::Task<> fetch_keys();
  async::Task<Description> describe();
  async::Task<Json> ask_claims(Secret token, std::string subject);
  async::Task<Json> json_from(OutwardRequest request, std::string_view what);
  [[nodiscard]] bool may_call(std::string_view url) const;
  void hold(KeySet keys, std::optional<Seconds> max_age, Milliseconds age);
  void keep(std::string_view keys_text, UtcTime read_at, std::optional<Seconds> max_age);

  async::Scheduler& scheduler_;
  Outward& outward_;
  ports::Log& log_;
  const Options options_;
  const KeptKeys kept_;
  mutable std::mutex mutex_;  // of the next two
  Held held_;
  Figures figures_;
  std::optional<Description> description_;
  std::optional<MonotonicTime> last_try_;
  Result<void> last_outcome_;
  SharedCalls<void> reads_;
  SharedCalls<Json> asks_;  // last: their calls use all the rest
};

}  // namespace hansa::identity
