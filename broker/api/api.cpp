// SPDX-License-Identifier: Apache-2.0
#include "broker/api/api.hpp"

#include "broker/api/answers.hpp"
#include "broker/wire/allocation_request.hpp"
#include "broker/wire/job_request.hpp"

namespace hansa::api {

namespace {

Error no_such_route(std::string_view path) {
  return fail(ErrorKind::not_found, "NO_SUCH_ROUTE",
              "there is nothing at " + std::string(path.substr(0, 200)) + "; see /openapi.json")
      .error();
}

}  // namespace

std::size_t Api::body_limit(std::string_view method, std::string_view path) {
  if (method == "PUT" && path.starts_with("/v1/code/")) return kMaxCodePiece;
  if (method == "PUT" && path.starts_with("/v1/secrets/")) return domain::kMaxSecretBytes;
  if (method != "POST") return std::size_t{64} << 10;
  if (path == "/v1/jobs/bulk") return wire::kMaxBulkBytes;
  if (path == "/v1/jobs") return wire::kMaxRequestBytes;
  if (path == "/v1/allocations/balances") return wire::kMaxBalanceBytes;
  return std::size_t{64} << 10;
}

std::optional<http::Response> Api::refuse_body(const http::Request& head) {
  const auto found = match(head.method, head.path);
  if (found.route == nullptr || found.route->is_open()) {
    if (auto refusal = limits_.stranger(head)) return refusal;
    return problem_answer(found.route == nullptr ? no_such_route(head.path)
                                                 : fail(ErrorKind::too_large, "BODY_TOO_LARGE", "nothing is read here").error(),
                          head.request_id);
  }
  const auto known = parts_.authenticator.screen(head.headers.get("authorization").value_or(""));
  if (known) return std::nullopt;
  if (auto refusal = limits_.failure(head, known.error())) return refusal;
  return problem_answer(known.error(), head.request_id);
}

async::Task<http::Response> Api::handle(http::Request request) {
  auto found = match(request.method, request.path);
  const auto* route = found.route;
  identity::Caller caller;
  auto told = co_await answer(std::move(found), std::move(request), &caller);
  if (told && route != nullptr) told->route = route->operation;
  if (told) told->knows_caller = !caller.principal.empty();
  co_return told;
}

async::Task<identity::Caller> Api::caller_of(std::string authorization, async::Deadline deadline) {
  auto caller = co_await parts_.authenticator.authenticate(std::move(authorization), deadline);
  if (!caller) co_return caller;
  caller->projects = parts_.accounts.projects_of(caller->principal);
  for (auto& project : parts_.accounts.led_by(caller->principal)) caller->leads.push_back(std::move(project));
  co_return caller;
}

/// `caller`: who it is, once that is established.
async::Task<http::Response> Api::answer(Match found, http::Request request, identity::Caller* caller) {
  const auto request_id = request.request_id;
  // Whether the broker lives is told to anybody: a load balancer may share its network with somebody who floods us.
  const bool told_to_all = request.path == "/healthz" || request.path == "/readyz";
  if ((found.route == nullptr || found.route->is_open()) && !told_to_all) {
    if (auto refusal = limits_.stranger(request)) co_return std::move(*refusal);
  }
  if (found.route == nullptr && found.allowed.empty()) { co_return problem_answer(no_such_route(request.path), request_id); }
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
  std::shared_ptr<void> under_way;
  if (!found.route->is_open()) {
    const auto& sent = exchange.request;
    auto found_out = co_await caller_of(std::string(sent.headers.get("authorization").value_or("")), sent.deadline);
    if (!found_out) {
      if (auto refusal = limits_.failure(sent, found_out.error())) co_return std::move(*refusal);
      co_return problem_answer(found_out.error(), request_id);
    }
    *caller = *found_out;
    exchange.caller = std::move(*found_out);
    auto admission = limits_.person(caller->principal, request_id);
    if (admission.refusal) co_return std::move(*admission.refusal);
    under_way = std::move(admission.under_way);
    if (auto some = identity::has_right(exchange.caller, exchange.action); !some)
      co_return problem_answer(some.error(), request_id);
  }
  if (!found.route->reads_query) {
    if (auto none = QueryReader(exchange.request.query).finish(); !none) co_return problem_answer(none.error(), request_id);
  }
  if (auto noted = note_listing(exchange); !noted) co_return problem_answer(noted.error(), request_id);
  auto answer = co_await async::without_exceptions(found.route->handle(std::move(exchange)));
  if (answer && answer->next) {
    answer->next = [next = std::move(answer->next), under_way] { return next(); };
  }
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
