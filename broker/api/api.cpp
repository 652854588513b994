// SPDX-License-Identifier: Apache-2.0
#include "broker/api/api.hpp"

#include "broker/api/answers.hpp"
#include "broker/wire/allocation_request.hpp"
#include "broker/wire/job_request.hpp"

namespace hansa::api {

std::size_t Api::body_limit(std::string_view method, std::string_view path) {
  if (method == "PUT" && path.starts_with("/v1/code/")) return kMaxCodePiece;
  if (method != "POST") return std::size_t{64} << 10;
  if (path == "/v1/jobs/bulk") return wire::kMaxBulkBytes;
  if (path == "/v1/jobs") return wire::kMaxRequestBytes;
  if (path == "/v1/allocations/balances") return wire::kMaxBalanceBytes;
  return std::size_t{64} << 10;
}

std::optional<http::Response> Api::refuse_body(const http::Request& head) {
  const auto found = match(head.method, head.path);
  if (found.route == nullptr || found.route->is_open()) return std::nullopt;
  const auto known = parts_.authenticator.screen(head.headers.get("authorization").value_or(""));
  return known ? std::nullopt : std::optional(problem_answer(known.error(), head.request_id));
}

async::Task<http::Response> Api::handle(http::Request request) {
  auto found = match(request.method, request.path);
  const auto* route = found.route;
  auto told = co_await answer(std::move(found), std::move(request));
  if (told && route != nullptr) told->route = route->operation;
  co_return told;
}

async::Task<identity::Caller> Api::caller_of(std::string authorization, async::Deadline deadline) {
  auto caller = co_await parts_.authenticator.authenticate(std::move(authorization), deadline);
  if (!caller) co_return caller;
  caller->projects = parts_.accounts.projects_of(caller->principal);
  for (auto& project : parts_.accounts.led_by(caller->principal)) caller->leads.push_back(std::move(project));
  co_return caller;
}

async::Task<http::Response> Api::answer(Match found, http::Request request) {
  const auto request_id = request.request_id;
  if (found.route == nullptr && found.allowed.empty()) {
    co_return problem_answer(
        fail(ErrorKind::not_found, "NO_SUCH_ROUTE", "there is nothing at " + request.path.substr(0, 200) + "; see /openapi.json")
            .error(),
        request_id);
  }
  if (found.route == nullptr) {
    auto answer = http::problem(405, "METHOD_NOT_ALLOWED", "use " + found.allowed, request_id);
    answer.headers.emplace_back("Allow", found.allowed);
    co_return answer;
  }

  Exchange exchange{.api = *this,
                    .request = std::move(request),
                    .caller = {},
                    .path = std::move(found.path),
                    .operation = found.route->operation,
                    .action = found.route->action};
  if (!found.route->is_open()) {
    const auto& sent = exchange.request;
    auto caller = co_await caller_of(std::string(sent.headers.get("authorization").value_or("")), sent.deadline);
    if (!caller) co_return problem_answer(caller.error(), request_id);
    exchange.caller = std::move(*caller);
    if (auto some = identity::has_right(exchange.caller, exchange.action); !some)
      co_return problem_answer(some.error(), request_id);
  }
  if (!found.route->reads_query) {
    if (auto none = QueryReader(exchange.request.query).finish(); !none) co_return problem_answer(none.error(), request_id);
  }
  if (auto noted = note_listing(exchange); !noted) co_return problem_answer(noted.error(), request_id);
  auto answer = co_await async::without_exceptions(found.route->handle(std::move(exchange)));
  if (answer) co_return answer;
  const auto& error = answer.error();
  if (error.kind == ErrorKind::internal || error.kind == ErrorKind::unknown_outcome || error.kind == ErrorKind::storage_full) {
    parts_.log.write(ports::LogLevel::error, "request failed",
                     {{"request", request_id},
                      {"route", std::string(found.route->operation)},
                      {"code", error.code},
                      {"error", error.message},
                      {"detail", error.detail}});
  }
  co_return problem_answer(error, request_id);
}

}  // namespace hansa::api
