// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/broker_link.hpp"

#include "broker/http/client.hpp"
#include "broker/wire/views.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace hansa::cli {
namespace {

constexpr std::size_t kProblemDepth = 16;

constexpr std::int64_t kMostRetryAfter = 86'400;

/// Where a call goes, and with whose token, for people.
struct Way {
  std::string url;
  std::string token_from;
};

/// "Retry-After: 7" (RFC 9110, 10.2.3). A date, which our broker does not send, counts as none.
Seconds retry_after_of(const http::Response& response) {
  const auto field = response.header("Retry-After").value_or("");
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), seconds);
  const bool good = error == std::errc{} && end == field.data() + field.size() && seconds > 0;
  return Seconds{good ? std::min(seconds, kMostRetryAfter) : 0};
}

Error with_remedy(Error error, const Way& way) {
  if (error.code == "UNREACHABLE") {
    error.message += "; is hansad running there? the address comes from --url, HANSA_URL or url in ~/.config/hansa/config.toml";
  } else if (error.kind == ErrorKind::unauthenticated && !way.token_from.empty()) {
    error.message += "; the token came from " + way.token_from;
  }
  return error;
}

Result<Answer> answer_of(Result<http::Response> response, const Way& way) {
  if (!response) return std::unexpected(with_remedy(std::move(response.error()), way));
  if (response->status >= 200 && response->status < 300) {
    return Answer{.status = response->status, .body = std::move(response->body), .headers = std::move(response->headers)};
  }
  const auto problem = parse_json(response->body, kProblemDepth);
  auto error = wire::error_from_problem(response->status, problem ? *problem : Json());
  if (response->status >= 500 && problem && problem->is_object() && problem->contains("request_id")) {
    const auto& id = (*problem)["request_id"];
    if (id.is_string() && http::is_request_id(id.get_ref<const std::string&>()))
      error.message += " (request " + id.get<std::string>() + ")";
  }
  if (error.code.starts_with("HTTP_")) {  // no problem document: its 404 says nothing of jobs, its 401 nothing of our token
    error.message = "what answers at " + way.url + ", with status " + std::to_string(response->status) +
                    ", is no Hansa broker, or a proxy before one; check the address";
    if (!error.retryable && error.kind != ErrorKind::unknown_outcome) error.kind = ErrorKind::internal;
  }
  return std::unexpected(with_remedy(std::move(error), way));
}

}  // namespace

std::string_view Answer::header(std::string_view name) const {
  for (const auto& [field, value] : headers) {
    if (http::equal_ignoring_case(field, name)) return value;
  }
  return {};
}

struct BrokerLink::Impl {
  Way way;
  http::Client client;
  Seconds retry_after{0};

  Result<Answer> take(Result<http::Response> response) {
    retry_after = response ? retry_after_of(*response) : Seconds{0};
    return answer_of(std::move(response), way);
  }
};

BrokerLink::BrokerLink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BrokerLink::~BrokerLink() = default;
BrokerLink::BrokerLink(BrokerLink&&) noexcept = default;
BrokerLink& BrokerLink::operator=(BrokerLink&&) noexcept = default;

Result<BrokerLink> BrokerLink::open(const config::ClientConfig& config, Secret token, std::string token_from) {
  auto url = http::Url::parse(config.url);
  if (!url) return std::unexpected(url.error());
  http::ClientOptions options{
      .token = std::move(token), .ca_file = config.ca_file ? config.ca_file->string() : "", .user_agent = "hansa/" HANSA_VERSION};
  return BrokerLink(std::unique_ptr<Impl>(new Impl{.way = {.url = config.url, .token_from = std::move(token_from)},
                                                   .client = http::Client(std::move(*url), std::move(options))}));
}

Result<Answer> BrokerLink::send(std::string_view method, std::string_view target, std::string_view body, const Fields& fields) {
  auto sent = fields;
  const bool typed = std::ranges::any_of(fields, [](const auto& field) { return field.first == "Content-Type"; });
  if (!body.empty() && !typed) sent.emplace_back("Content-Type", "application/json");
  return impl_->take(impl_->client.request(method, target, sent, body));
}

Result<Answer> BrokerLink::stream(std::string_view target, const std::function<bool(std::string_view)>& take) {
  return impl_->take(impl_->client.stream(target, {}, take));
}

Seconds BrokerLink::retry_after() const { return impl_->retry_after; }

Target& Target::add(std::string_view name, std::string_view value) {
  text_ += text_.contains('?') ? '&' : '?';
  text_.append(name).append("=").append(http::percent_encode(value));
  return *this;
}

std::string job_path(std::string_view id, std::string_view rest) {
  return "/v1/jobs/" + http::percent_encode(id) + std::string(rest);
}
std::string percent_encoded(std::string_view text) { return http::percent_encode(text); }

}  // namespace hansa::cli
