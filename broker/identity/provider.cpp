// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/provider.hpp"

#include "broker/core/time_text.hpp"
#include "broker/http/url.hpp"
#include "broker/identity/ascii.hpp"

#include <algorithm>

namespace hansa::identity {

namespace {

constexpr std::size_t kDepth = 8;
constexpr std::size_t kClaimCallsAtOnce = 16;

std::unexpected<Error> unavailable(std::string_view code, std::string message) {
  return fail(ErrorKind::unavailable, code, std::move(message));
}

/// "https://host:port" of a URL; "" of what is none.
std::string origin_of(std::string_view url) {
  const auto parsed = http::Url::parse(url.substr(0, url.find('?')));
  return parsed ? (parsed->tls ? "https://" : "http://") + parsed->authority() : std::string();
}

std::string text_of(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

/// "application/json; charset=utf-8" -> "application/json"
std::string media_type(std::string_view field) {
  std::string type(field.substr(0, field.find(';')));
  while (type.ends_with(' ')) type.pop_back();
  return in_lower_case(type);
}

}  // namespace

Provider::Provider(boost::asio::any_io_executor strand, async::Scheduler& scheduler, Outward& outward, ports::Log& log,
                   Options options, KeptKeys kept)
    : scheduler_(scheduler),
      outward_(outward),
      log_(log),
      options_(std::move(options)),
      kept_(std::move(kept)),
      reads_(strand, 1),
      asks_(strand, kClaimCallsAtOnce) {}

std::shared_ptr<const KeySet> Provider::keys() const {
  const std::scoped_lock lock(mutex_);
  return scheduler_.now_monotonic() < held_.useless_at ? held_.keys : nullptr;
}

bool Provider::keys_are_old() const {
  const std::scoped_lock lock(mutex_);
  return held_.keys == nullptr || scheduler_.now_monotonic() >= held_.old_at;
}

Provider::Figures Provider::figures() const {
  const std::scoped_lock lock(mutex_);
  return figures_;
}

void Provider::hold(KeySet keys, std::optional<Seconds> max_age, Milliseconds age) {
  const auto fresh = std::clamp(max_age.value_or(kMostFresh), kLeastFresh, kMostFresh);
  const auto good = std::clamp(max_age.value_or(kGoodFor), kGoodFor, kMostGoodFor);
  const auto now = scheduler_.now_monotonic();
  const std::scoped_lock lock(mutex_);
  held_ = {
      .keys = std::make_shared<const KeySet>(std::move(keys)), .old_at = now + (fresh - age), .useless_at = now + (good - age)};
}

void Provider::load() {
  const auto text = kept_.read();
  if (text.empty()) return;
  const auto kept = parse_json(text, kDepth);
  const auto read_at =
      kept && kept->is_object() ? parse_utc(text_of(*kept, "read_at")) : fail(ErrorKind::invalid_argument, "", "");
  if (!read_at || text_of(*kept, "issuer") != options_.url) return;
  auto keys = KeySet::parse(text_of(*kept, "keys"));
  const auto age = scheduler_.now_utc() - *read_at;
  if (!keys || age < Milliseconds{0} || age > kMostGoodFor) return;  // kept before the clock stepped back: read anew
  const auto max_age = kept->find("max_age_s");
  hold(std::move(*keys),
       max_age != kept->end() && max_age->is_number_integer() ? std::optional(Seconds{max_age->get<std::int64_t>()})
                                                              : std::nullopt,
       age);
  const std::scoped_lock lock(mutex_);
  figures_.keys_read_at = *read_at;
}

void Provider::keep(std::string_view keys_text, UtcTime read_at, std::optional<Seconds> max_age) {
  Json kept{{"issuer", options_.url}, {"read_at", format_utc(read_at)}, {"keys", keys_text}};
  if (max_age) kept["max_age_s"] = std::clamp<std::int64_t>(max_age->count(), 0, kMostGoodFor.count());
  if (auto written = kept_.write(canonical_json(kept)); !written)
    log_.write(ports::LogLevel::warning, "an issuer's keys could not be kept for the next start",
               {{"issuer", options_.id}, {"code", written.error().code}, {"error", written.error().message}});
}

async::Task<> Provider::refresh() {
  const auto now = scheduler_.now_monotonic();
  const auto between = keys() != nullptr ? kBetweenReads : kBetweenFirstReads;
  if (last_try_ && now - *last_try_ < between) {
    // What is under way is waited for; what is over counts for a while, or every made-up key id would be a call.
    if (reads_.busy()) co_return co_await reads_.run("keys", nullptr);
    co_return last_outcome_;
  }
  last_try_ = now;
  co_return co_await reads_.run("keys", [this] { return read_keys(); });
}

async::Task<> Provider::fetch_keys() {
  auto description = co_await describe();
  if (!description) co_return std::unexpected(description.error());
  description_ = std::move(*description);
  OutwardRequest request{
      .url = description_->keys_url, .ca_file = options_.ca_file, .private_addresses = options_.private_addresses};
  auto answer = co_await outward_.call(std::move(request), async::Deadline::in(scheduler_, kCallTimeout));
  if (!answer) co_return std::unexpected(answer.error());
  const auto type = media_type(answer->content_type);
  if (answer->status != 200 || (type != "application/json" && type != "application/jwk-set+json"))
    co_return unavailable("PROVIDER_ANSWER", "issuer " + options_.id + " does not give its keys: status " +
                                                 std::to_string(answer->status) + ", " +
                                                 (type.empty() ? "no type" : type.substr(0, 60)));
  auto keys = KeySet::parse(answer->body);
  if (!keys) co_return std::unexpected(keys.error());
  hold(std::move(*keys), answer->max_age, Milliseconds{0});
  keep(answer->body, scheduler_.now_utc(), answer->max_age);
  co_return Result<void>{};
}

async::Task<> Provider::read_keys() {
  last_outcome_ = co_await async::without_exceptions(fetch_keys());
  {
    const std::scoped_lock lock(mutex_);
    ++(last_outcome_ ? figures_.key_reads : figures_.failed_key_reads);
    if (last_outcome_) figures_.keys_read_at = scheduler_.now_utc();
  }
  if (!last_outcome_)
    log_.write(ports::LogLevel::warning, "an issuer's keys could not be read; those that are known go on to count",
               {{"issuer", options_.id}, {"code", last_outcome_.error().code}, {"error", last_outcome_.error().message}});
  co_return last_outcome_;
}

bool Provider::may_call(std::string_view url) const {
  const auto origin = origin_of(url);
  return !origin.empty() &&
         (origin == origin_of(options_.url) || std::ranges::find(options_.other_origins, origin) != options_.other_origins.end());
}

async::Task<Json> Provider::json_from(OutwardRequest request, std::string_view what) {
  request.ca_file = options_.ca_file;
  request.private_addresses = options_.private_addresses;
  auto answer = co_await outward_.call(std::move(request), async::Deadline::in(scheduler_, kCallTimeout));
  if (!answer) co_return std::unexpected(answer.error());
  const auto odd = [&](const std::string& why) {
    return unavailable("PROVIDER_ANSWER", "issuer " + options_.id + " does not give its " + std::string(what) + ": " + why);
  };
  if (answer->status == 401)
    co_return fail(ErrorKind::unauthenticated, "TOKEN_INACTIVE",
                   "the issuer says that this token is of no use any more: hansa login makes a new one");
  if (answer->status != 200) co_return odd("status " + std::to_string(answer->status));
  if (const auto type = media_type(answer->content_type); type != "application/json")
    co_return odd(type.empty() ? "an answer without a type" : "an answer of type " + type.substr(0, 60));
  auto json = parse_json(answer->body, kDepth);
  if (!json || !json->is_object()) co_return odd(json ? "no JSON object" : json.error().message);
  co_return std::move(*json);
}

async::Task<Provider::Description> Provider::describe() {
  auto base = options_.url;
  while (base.ends_with('/')) base.pop_back();  // OpenID Connect Discovery 1.0, section 4
  auto told = co_await json_from({.url = base + "/.well-known/openid-configuration"}, "description");
  if (!told) co_return std::unexpected(told.error());
  if (text_of(*told, "issuer") != options_.url)
    co_return unavailable("PROVIDER_ISSUER", "what answers at " + options_.url + " calls itself another issuer; url of issuer " +
                                                 options_.id + " must be exactly what it calls itself");
  Description description{.keys_url = text_of(*told, "jwks_uri"),
                          .userinfo_url = text_of(*told, "userinfo_endpoint"),
                          .introspection_url = text_of(*told, "introspection_endpoint")};
  const auto needed = options_.claims_from == ClaimsFrom::userinfo        ? &description.userinfo_url
                      : options_.claims_from == ClaimsFrom::introspection ? &description.introspection_url
                                                                          : nullptr;
  for (const auto* url : {static_cast<const std::string*>(&description.keys_url), static_cast<const std::string*>(needed)}) {
    if (url != nullptr && !may_call(*url))
      co_return unavailable("PROVIDER_ORIGIN",
                            "issuer " + options_.id +
                                (url->empty() ? " leaves out an address that is needed"
                                              : " sends to " + origin_of(*url) +
                                                    ", which is not its own host: name that in other_origins if it is right"));
  }
  co_return description;
}

async::Task<Json> Provider::claims(Secret token, std::string hash, std::string subject) {
  auto told = co_await asks_.run(
      std::move(hash), [this, token = std::move(token), subject = std::move(subject)] { return ask_claims(token, subject); });
  const bool ours = !told && told.error().kind != ErrorKind::unauthenticated;
  {
    const std::scoped_lock lock(mutex_);
    ++(ours ? figures_.failed_claim_calls : figures_.claim_calls);
  }
  if (ours)
    co_return unavailable("CLAIMS_UNAVAILABLE", "who you are is known, but issuer " + options_.id +
                                                    " does not say what you may: try again (" + told.error().message + ")");
  co_return told;
}

async::Task<Json> Provider::ask_claims(Secret token, std::string subject) {
  if (!description_) {  // the keys were kept from the last life
    auto description = co_await describe();
    if (!description) co_return std::unexpected(description.error());
    description_ = std::move(*description);
  }
  if (options_.claims_from == ClaimsFrom::introspection) {
    OutwardRequest request{.url = description_->introspection_url,
                           .user = options_.client,
                           .password = options_.client_secret,
                           .form = Secret("token=" + http::percent_encode(token.reveal()) + "&token_type_hint=access_token")};
    auto told = co_await json_from(std::move(request), "word on a token");
    if (!told && told.error().code == "TOKEN_INACTIVE")  // 401 is of our own client here
      co_return unavailable("PROVIDER_ANSWER", "issuer " + options_.id +
                                                   " does not know the broker's client: see "
                                                   "introspection_client and introspection_secret_file");
    if (!told) co_return told;
    const auto active = told->find("active");
    if (active == told->end() || *active != true)
      co_return fail(ErrorKind::unauthenticated, "TOKEN_INACTIVE",
                     "the issuer says that this token is of no use any more: hansa login makes a new one");
    // RFC 7662: the subject is optional; one that is told must be the token's.
    if (told->contains("sub") && text_of(*told, "sub") != subject)
      co_return fail(ErrorKind::unauthenticated, "SUBJECT_DIFFERS", "the issuer says that this token is somebody else's");
    co_return told;
  }
  auto told = co_await json_from({.url = description_->userinfo_url, .bearer = std::move(token)}, "word on a person");
  // OpenID Connect Core 1.0, 5.3.4: without the same subject nothing of it may be used.
  if (told && text_of(*told, "sub") != subject)
    co_return fail(ErrorKind::unauthenticated, "SUBJECT_DIFFERS", "the issuer says that this token is somebody else's");
  co_return told;
}

async::Task<> Provider::close() {
  (void)co_await reads_.close();
  co_return co_await asks_.close();
}

}  // namespace hansa::identity
