// SPDX-License-Identifier: Apache-2.0
// Break-glass: asked for, approved by a second operator, ended; and the way by which it opens what is a job's owner's alone.
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"
#include "broker/ledger/merkle.hpp"

namespace hansa::api {

using domain::BreakGlass;
using domain::BreakGlassState;
using identity::Action;

namespace {

Json glass_view(const BreakGlass& glass) {
  return {{"id", glass.id.str()},
          {"scope", glass.scope.str()},
          {"person", glass.scope.person.str()},
          {"reason", glass.reason},
          {"state", domain::to_string(glass.state)},
          {"by", glass.by.str()},
          {"at", format_utc(glass.at)},
          {"lasts_s", glass.lasts.count()},
          {"ruled_by", name_or_null(glass.ruled_by)},
          {"ruled_at", time_or_none(glass.ruled_at)},
          {"until", time_or_none(glass.until)},
          {"ended_by", name_or_null(glass.ended_by)},
          {"ended_at", time_or_none(glass.ended_at)},
          {"why", glass.why},
          {"uses", glass.uses}};
}

Json details_view(const ports::BreakGlassDetails& details) {
  auto view = glass_view(details.glass);
  view["used"] = Json::array();
  for (const auto& used : details.used)
    view["used"].push_back({{"job", used.use.job == JobId{} ? Json() : Json(used.use.job.str())},
                            {"operation", used.use.operation},
                            {"first_at", format_utc(used.first_at)},
                            {"last_at", format_utc(used.last_at)},
                            {"times", used.times}});
  view["steps"] = Json::array();
  for (const auto& step : details.steps)
    view["steps"].push_back({{"record", step.record},
                             {"event", step.event},
                             {"at", format_utc(step.at)},
                             {"salt", step.salt.empty() ? Json() : Json(ledger::hex_of(step.salt))},
                             {"personal", step.personal.empty() ? Json() : Json(step.personal)}});
  return view;
}

/// Why somebody's data are read, as the record of accesses has it.
std::string reason_of(const BreakGlass& glass) {
  return "break-glass " + glass.id.str() + (glass.until ? " until " + format_utc(*glass.until) : "") + ": " + glass.reason;
}

Result<engine::BreakGlassRegister*> register_of(const Exchange& exchange) {
  if (auto* glasses = exchange.api.parts().break_glass) return glasses;
  return fail(ErrorKind::not_found, "NO_BREAK_GLASS", "this broker opens nothing by break-glass");
}

Result<domain::BreakGlassId> glass_in(const Exchange& exchange) {
  if (const auto id = Ulid::parse(exchange.path.at("id"))) return *id;
  return fail(ErrorKind::not_found, "BREAK_GLASS_NOT_FOUND", "there is no such break-glass; see: hansa break-glass list");
}

/// The answer to a step, once that whose data it is about could read of it.
Result<http::Response> told_of_glass(const Exchange& exchange, int status, const BreakGlass& glass) {
  if (auto noted = note_access(exchange, glass.scope.person, reason_of(glass)); !noted) return std::unexpected(noted.error());
  return json_answer(status, glass_view(glass));
}

std::vector<Principal> makers_of_caller(const Exchange& exchange) {
  return exchange.api.parts().tokens.makers_of(exchange.caller.token_id);
}

async::Task<http::Response> rule_on_glass(Exchange exchange, bool approve) {
  const auto glasses = register_of(exchange);
  if (!glasses) co_return std::unexpected(glasses.error());
  if (auto read = BodyReader(exchange.request).finish(); !read) co_return std::unexpected(read.error());
  const auto id = glass_in(exchange);
  if (!id) co_return std::unexpected(id.error());
  auto ruled =
      co_await (*glasses)->rule(*id, {.by = exchange.caller.principal, .makers = makers_of_caller(exchange), .approve = approve});
  if (!ruled) co_return std::unexpected(ruled.error());
  co_return told_of_glass(exchange, 200, *ruled);
}

}  // namespace

async::Task<OpenedJob> open_job(const Exchange& exchange) {
  auto* glasses = exchange.api.parts().break_glass;
  if (glasses == nullptr || !may(exchange, Action::break_glass)) {
    auto job = co_await find_job(exchange);
    if (!job) co_return std::unexpected(job.error());
    co_return OpenedJob{.job = std::move(*job)};
  }
  auto job = co_await job_in_path(exchange);
  if (!job) co_return std::unexpected(job.error());
  if (may(exchange, object_of(*job, exchange.action))) co_return OpenedJob{.job = std::move(*job)};
  auto glass = co_await glasses->use(exchange.caller.principal, job->id, job->owner, std::string(exchange.operation));
  if (!glass) co_return std::unexpected(glass.error());
  if (auto noted = note_access(exchange, job->owner, reason_of(*glass)); !noted) co_return std::unexpected(noted.error());
  co_return OpenedJob{.job = std::move(*job), .by_glass = glass->id};
}

async::Task<BreakGlass> open_person(const Exchange& exchange, const Principal& person) {
  auto* glasses = exchange.api.parts().break_glass;
  if (glasses == nullptr || !may(exchange, Action::break_glass))
    co_return fail(ErrorKind::permission_denied, "NO_BREAK_GLASS", "nothing is opened to you by break-glass");
  auto glass = co_await glasses->use(exchange.caller.principal, std::nullopt, person, std::string(exchange.operation));
  if (!glass) co_return glass;
  if (auto noted = note_access(exchange, person, reason_of(*glass)); !noted) co_return std::unexpected(noted.error());
  co_return glass;
}

Result<void> still_open(const Exchange& exchange, const OpenedJob& job) {
  return job.by_glass ? exchange.api.parts().break_glass->still_open(*job.by_glass) : Result<void>{};
}

async::Task<http::Response> get_job_script(Exchange exchange) {
  auto job = co_await open_job(exchange);
  if (!job) co_return std::unexpected(job.error());
  auto payload = co_await exchange.api.parts().jobs.payload(job->job.id);
  if (!payload && payload.error().kind == ErrorKind::not_found)
    co_return fail(ErrorKind::not_found, "SCRIPT_GONE",
                   "what job " + job->job.id.str() + " was given is not kept any more; see: hansa privacy retention");
  if (!payload) co_return std::unexpected(payload.error());
  Json environment = Json::object();
  for (const auto& [name, value] : payload->environment)  // where people put passwords, which open more than this job
    environment[name] = job->by_glass ? Json() : Json(value);
  auto answer =
      json_answer(200, {{"script", payload->script}, {"arguments", payload->arguments}, {"environment", std::move(environment)}});
  answer.headers.emplace_back("Cache-Control", "no-store");
  co_return answer;
}

async::Task<http::Response> request_break_glass(Exchange exchange) {
  const auto glasses = register_of(exchange);
  if (!glasses) co_return std::unexpected(glasses.error());
  BodyReader body(exchange.request);
  const auto text = body.required("scope");
  auto reason = body.required("reason");
  const auto lasts = body.integer("lasts_s");
  auto scope = domain::parse_break_glass_scope(text);
  if (!text.empty() && !scope) body.fault("scope", scope.error().message);
  const auto longest = (*glasses)->longest().count(), shortest = domain::kBreakGlassShortest.count();
  if (!lasts || *lasts < shortest || *lasts > longest)
    body.fault("lasts_s", "must be a whole number of seconds from " + std::to_string(shortest) + " to " +
                              std::to_string(longest) + ", the most that this broker allows (break_glass.longest_s)");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  if (scope->job) {
    auto job = co_await exchange.api.parts().jobs.job(*scope->job);
    if (!job && job.error().kind == ErrorKind::not_found)
      co_return fail(ErrorKind::not_found, "JOB_NOT_FOUND", "there is no job " + scope->job->str());
    if (!job) co_return std::unexpected(job.error());
    scope->person = job->owner;
  }
  auto asked = co_await (*glasses)->ask({exchange.caller.principal, std::move(reason)}, makers_of_caller(exchange),
                                        std::move(*scope), Seconds{*lasts});
  if (!asked) co_return std::unexpected(asked.error());
  co_return told_of_glass(exchange, 201, *asked);
}

async::Task<http::Response> list_break_glass(Exchange exchange) {
  const auto glasses = register_of(exchange);
  if (!glasses) co_return std::unexpected(glasses.error());
  QueryReader query(exchange.request.query);
  ports::BreakGlassQuery wanted;
  if (const auto state = query.text("state")) {
    wanted.state = domain::parse_break_glass_state(*state);
    if (!wanted.state) query.fault("state", no_such("state", *state, domain::break_glass_states()));
  }
  wanted.limit = static_cast<std::size_t>(query.integer("limit", 100, 1, kMaxPage));
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  auto found = co_await (*glasses)->store().break_glasses(std::move(wanted));
  if (!found) co_return std::unexpected(found.error());
  Json list = Json::array();
  for (const auto& glass : *found) list.push_back(glass_view(glass));
  co_return json_answer(200, {{"break_glass", std::move(list)}});
}

async::Task<http::Response> get_break_glass(Exchange exchange) {
  const auto glasses = register_of(exchange);
  if (!glasses) co_return std::unexpected(glasses.error());
  const auto id = glass_in(exchange);
  if (!id) co_return std::unexpected(id.error());
  auto details = co_await (*glasses)->store().break_glass(*id);
  if (!details) co_return std::unexpected(details.error());
  if (auto noted = note_access(exchange, details->glass.scope.person); !noted) co_return std::unexpected(noted.error());
  co_return json_answer(200, details_view(*details));
}

async::Task<http::Response> approve_break_glass(Exchange exchange) { return rule_on_glass(std::move(exchange), true); }
async::Task<http::Response> reject_break_glass(Exchange exchange) { return rule_on_glass(std::move(exchange), false); }

async::Task<http::Response> end_break_glass(Exchange exchange) {
  const auto glasses = register_of(exchange);
  if (!glasses) co_return std::unexpected(glasses.error());
  if (auto read = BodyReader(exchange.request).finish(); !read) co_return std::unexpected(read.error());
  const auto id = glass_in(exchange);
  if (!id) co_return std::unexpected(id.error());
  auto over = co_await (*glasses)->end(*id, exchange.caller.principal);
  if (!over) co_return std::unexpected(over.error());
  co_return told_of_glass(exchange, 200, *over);
}

}  // namespace hansa::api
