// SPDX-License-Identifier: Apache-2.0
#pragma once
// The broker as a command sees it: an answer, or an Error that says what to do.

#include "broker/core/canonical_json.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/secret.hpp"
#include "config/client_config.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::cli {

struct Answer {
  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;

  [[nodiscard]] std::string_view header(std::string_view name) const;  // "" if there is none
};

class BrokerLink {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  /// Connects with the first request. `token_from` is for people; an empty token is not sent.
  static Result<BrokerLink> open(const config::ClientConfig& config, Secret token, std::string token_from);
  ~BrokerLink();
  BrokerLink(BrokerLink&&) noexcept;
  BrokerLink& operator=(BrokerLink&&) noexcept;

  /// 2xx is an Answer. Any other status is the Error that its problem document tells of, with the request's id where the broker's
  /// log has more of it; no answer is one of http::Client's.
  Result<Answer> send(std::string_view method, std::string_view target, std::string_view body = {}, const Fields& fields = {});

  /// GET whose body is handed over piece by piece, and is not in the Answer; false from `take` ends it.
  Result<Answer> stream(std::string_view target, const std::function<bool(std::string_view)>& take);

  /// How long the last answer asks to wait: 0: it does not.
  [[nodiscard]] Seconds retry_after() const;

 private:
  struct Impl;
  explicit BrokerLink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A target's query: begin with the path, add what is there.
class Target {
 public:
  explicit Target(std::string path) : text_(std::move(path)) {}
  Target& add(std::string_view name, std::string_view value);
  [[nodiscard]] const std::string& str() const { return text_; }

 private:
  std::string text_;
};

/// "/v1/jobs/" + the id, percent-encoded, + `rest`.
std::string job_path(std::string_view id, std::string_view rest = {});
std::string percent_encoded(std::string_view text);

}  // namespace hansa::cli
