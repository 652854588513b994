// SPDX-License-Identifier: Apache-2.0
#include "broker/api/request_limits.hpp"

#include "broker/api/answers.hpp"

#include <algorithm>
#include <string>

namespace hansa::api {

namespace {

constexpr Milliseconds kLongestPause{
    1'000};  // for as long the connection is not read: whoever sends on waits for their own requests

http::Response too_many(std::string what, Milliseconds wait, std::string_view request_id) {
  const auto seconds = std::to_string(std::chrono::ceil<Seconds>(wait).count());
  auto error = fail(ErrorKind::rate_limited, "TOO_MANY_REQUESTS", std::move(what)).error();
  error.message += "; wait " + seconds + " s";
  error.retryable = false;  // the time is said here
  auto answer = problem_answer(error, request_id);
  answer.headers.emplace_back("Retry-After", seconds);
  answer.pause = std::min(wait, kLongestPause);
  return answer;
}

}  // namespace

RequestLimits::RequestLimits(RequestRates rates, const Clock& clock)
    : rates_(rates), clock_(clock), people_(rates.of_person), networks_(rates.of_network), failures_(rates.failures) {}

RequestLimits::Admission RequestLimits::person(const Principal& person, std::string_view request_id) {
  if (const auto wait = people_.take(person.str(), clock_.now_monotonic())) {
    return {
        too_many("you ask more than " + std::to_string(rates_.of_person) +
                     " times a minute (many jobs at once: POST /v1/jobs/bulk; to hear of changes: GET /v1/events, or hansa wait)",
                 *wait, request_id)};
  }
  if (rates_.at_once <= 0) return {};
  if (auto under_way = begin(person.str())) return {std::nullopt, std::move(under_way)};
  return {too_many("you have " + std::to_string(rates_.at_once) +
                       " requests under way that are not answered to their end: one GET /v1/events tells of all jobs",
                   kLongestPause, request_id)};
}

std::shared_ptr<void> RequestLimits::begin(const std::string& person) {
  const std::scoped_lock lock(mutex_);
  auto& count = under_way_[person];
  if (count >= rates_.at_once) {
    ++too_many_at_once_;
    return nullptr;
  }
  ++count;
  return {this, [person](RequestLimits* limits) {
            const std::scoped_lock held(limits->mutex_);
            const auto at = limits->under_way_.find(person);
            if (--at->second == 0) limits->under_way_.erase(at);
          }};
}

std::optional<http::Response> RequestLimits::stranger(const http::Request& request) {
  const auto wait = networks_.take(request.network, clock_.now_monotonic());
  if (!wait) return std::nullopt;
  return too_many("your network (" + request.network + ") asks more than " + std::to_string(rates_.of_network) +
                      " times a minute for what needs no token",
                  *wait, request.request_id);
}

std::optional<http::Response> RequestLimits::failure(const http::Request& request, const Error& why) {
  if (why.kind != ErrorKind::unauthenticated && why.kind != ErrorKind::permission_denied) return std::nullopt;
  const auto wait = failures_.take(request.network, clock_.now_monotonic());
  if (!wait) return std::nullopt;
  return too_many(why.message + " (" + why.code + "); and of your network (" + request.network + ") more than " +
                      std::to_string(rates_.failures) + " requests a minute are refused for their tokens",
                  *wait, request.request_id);
}

void RequestLimits::write(metrics::Exposition& page) const {
  page.family("hansa_http_rate_limited_total", metrics::Kind::counter,
              "Requests that got 429 since start, by whose limit it was: a person's, a network's, that of refused tokens, or of "
              "requests at a time.");
  page.sample(people_.refused(), {{"limit", "person"}});
  page.sample(networks_.refused(), {{"limit", "network"}});
  page.sample(failures_.refused(), {{"limit", "failures"}});
  const std::scoped_lock lock(mutex_);
  page.sample(too_many_at_once_, {{"limit", "at_once"}});
}

}  // namespace hansa::api
