// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/broker_link.hpp"

#include "broker/cli/files.hpp"
#include "broker/http/client.hpp"
#include "broker/wire/views.hpp"

#include <algorithm>
#include <optional>

namespace hansa::cli {
namespace {

constexpr std::size_t kMaxTokenFile = 4096;
constexpr std::size_t kProblemDepth = 16;

std::unexpected<Error> no_token(const std::string& why) {
  return fail(
      ErrorKind::unauthenticated, "NO_TOKEN",
      why +
          "; give the file with your token by --token-file, HANSA_TOKEN_FILE or token_file in ~/.config/hansa/config.toml "
          "(an operator makes tokens: hansa token create)");
}

Error with_remedy(Error error, const config::ClientConfig& config) {
  if (error.code == "UNREACHABLE") {
    error.message += "; is hansad running there? the address comes from --url, HANSA_URL or url in ~/.config/hansa/config.toml";
  } else if (error.kind == ErrorKind::unauthenticated && config.token_file) {
    error.message += "; the token came from " + config.token_file->string();
  }
  return error;
}

Result<Answer> answer_of(Result<http::Response> response, const config::ClientConfig& config) {
  if (!response) return std::unexpected(with_remedy(std::move(response.error()), config));
  if (response->status >= 200 && response->status < 300) {
    return Answer{.status = response->status, .body = std::move(response->body), .headers = std::move(response->headers)};
  }
  const auto problem = parse_json(response->body, kProblemDepth);
  auto error = wire::error_from_problem(response->status, problem ? *problem : Json());
  if (error.code.starts_with("HTTP_")) {  // no problem document: its 404 says nothing of jobs, its 401 nothing of our token
    error.message = "what answers at " + config.url + ", with status " + std::to_string(response->status) +
                    ", is no Hansa broker, or a proxy before one; check the address";
    if (!error.retryable && error.kind != ErrorKind::unknown_outcome) error.kind = ErrorKind::internal;
  }
  return std::unexpected(with_remedy(std::move(error), config));
}

}  // namespace

std::string_view Answer::header(std::string_view name) const {
  for (const auto& [field, value] : headers) {
    if (http::equal_ignoring_case(field, name)) return value;
  }
  return {};
}

struct BrokerLink::Impl {
  config::ClientConfig config;
  http::Client client;
  std::string exposed_token_file;
};

BrokerLink::BrokerLink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BrokerLink::~BrokerLink() = default;
BrokerLink::BrokerLink(BrokerLink&&) noexcept = default;
BrokerLink& BrokerLink::operator=(BrokerLink&&) noexcept = default;

Result<BrokerLink> BrokerLink::open(const config::ClientConfig& config) {
  auto url = http::Url::parse(config.url);
  if (!url) return std::unexpected(url.error());
  if (!config.token_file) return no_token("no token is set");
  auto token = read_file(config.token_file->string(), kMaxTokenFile);
  if (!token) return no_token(token.error().message);
  while (token->text.ends_with('\n') || token->text.ends_with('\r') || token->text.ends_with(' ')) token->text.pop_back();
  if (token->text.empty()) return no_token(config.token_file->string() + " is empty");
  http::ClientOptions options{.token = Secret(std::move(token->text)),
                              .ca_file = config.ca_file ? config.ca_file->string() : "",
                              .user_agent = "hansa/" HANSA_VERSION};
  return BrokerLink(std::unique_ptr<Impl>(new Impl{.config = config,
                                                   .client = http::Client(std::move(*url), std::move(options)),
                                                   .exposed_token_file = token->exposed ? config.token_file->string() : ""}));
}

const std::string& BrokerLink::exposed_token_file() const { return impl_->exposed_token_file; }

Result<Answer> BrokerLink::send(std::string_view method, std::string_view target, std::string_view body, const Fields& fields) {
  auto sent = fields;
  const bool typed = std::ranges::any_of(fields, [](const auto& field) { return field.first == "Content-Type"; });
  if (!body.empty() && !typed) sent.emplace_back("Content-Type", "application/json");
  return answer_of(impl_->client.request(method, target, sent, body), impl_->config);
}

Result<Answer> BrokerLink::stream(std::string_view target, const std::function<bool(std::string_view)>& take) {
  return answer_of(impl_->client.stream(target, {}, take), impl_->config);
}

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
