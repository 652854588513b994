// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/core/suggest.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>
#include <charconv>

namespace hansa::api {
namespace {

constexpr std::size_t kMaxText = 1'000;  // of a note or a reason

std::unexpected<Error> bad_request(std::vector<Fault> faults) {
  auto message = faults.front().where + (faults.front().where.empty() ? "" : ": ") + faults.front().message;
  if (faults.size() > 1) message += " (and " + std::to_string(faults.size() - 1) + " more)";
  auto error = fail(ErrorKind::invalid_argument, "BAD_REQUEST", std::move(message));
  error.error().faults = std::move(faults);
  return error;
}

}  // namespace

http::Response json_answer(int status, const Json& json) {
  return {.status = status, .content_type = "application/json", .body = canonical_json(json) + "\n"};
}

http::Response problem_answer(const Error& error, std::string_view request_id) {
  const auto status = wire::http_status(error.kind);
  auto answer = json_answer(status, wire::problem_view(error, status, request_id));
  answer.content_type = "application/problem+json";
  if (error.kind == ErrorKind::unauthenticated) answer.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"hansa\"");
  if (error.retryable) answer.headers.emplace_back("Retry-After", error.kind == ErrorKind::storage_full ? "30" : "2");
  return answer;
}

std::optional<std::string> QueryReader::text(std::string_view name) {
  known_.push_back(name);
  std::optional<std::string> found;
  for (const auto& [key, value] : query_) {
    if (key != name) continue;
    if (found) fault(name, "is given twice; which one counts?");
    found = value;
  }
  return found;
}

std::vector<std::string> QueryReader::list(std::string_view name) {
  known_.push_back(name);
  std::vector<std::string> items;
  for (const auto& [key, value] : query_) {
    if (key != name) continue;
    for (std::size_t begin = 0; begin <= value.size();) {
      const auto end = std::min(value.find(',', begin), value.size());
      if (end > begin) items.push_back(value.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return items;
}

std::vector<std::size_t> QueryReader::places_in(std::span<const std::string_view> names) {
  std::vector<std::size_t> places;
  for (const auto& name : list("by")) {
    const auto known = std::ranges::find(names, name);
    const auto place = static_cast<std::size_t>(known - names.begin());
    if (known == names.end())
      fault("by", no_such("thing to group by", name, names));
    else if (std::ranges::find(places, place) != places.end())
      fault("by", "names " + name + " twice");
    else
      places.push_back(place);
  }
  return places;
}

std::int64_t QueryReader::integer(std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most) {
  const auto value = text(name);
  if (!value) return fallback;
  std::int64_t number = 0;
  const auto* end = value->data() + value->size();
  const auto [at, error] = std::from_chars(value->data(), end, number);
  if (error != std::errc{} || at != end || number < least || number > most) {
    fault(name, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return fallback;
  }
  return number;
}

std::optional<UtcTime> QueryReader::time(std::string_view name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  auto time = parse_utc(*value);
  if (time) return *time;
  fault(name, time.error().message);
  return std::nullopt;
}

bool QueryReader::flag(std::string_view name) {
  const auto value = text(name);
  if (value && *value != "true" && *value != "false") fault(name, "must be true or false");
  return value == "true";
}

void QueryReader::fault(std::string_view name, std::string message) {
  faults_.push_back({"?" + std::string(name), std::move(message)});
}

Result<void> QueryReader::finish() {
  for (const auto& [key, value] : query_) {
    if (std::ranges::find(known_, key) == known_.end()) fault(key.substr(0, 64), "no such parameter" + did_you_mean(key, known_));
  }
  if (!faults_.empty()) return bad_request(std::move(faults_));
  return {};
}

BodyReader::BodyReader(const http::Request& request)
    : body_(request.body.empty() ? Result<Json>(Json::object()) : parse_json(request.body)) {
  if (body_ && !body_->is_object()) body_ = bad_request({{"", "the body must be a JSON object"}});
}

std::string BodyReader::text(std::string_view name) {
  known_.push_back(name);
  if (!body_) return {};
  const auto at = body_->find(name);
  if (at == body_->end() || at->is_null()) return {};
  if (at->is_string() && at->get_ref<const std::string&>().size() <= kMaxText) return at->get<std::string>();
  fault(name, "must be a string of at most " + std::to_string(kMaxText) + " bytes");
  return {};
}

std::string BodyReader::required(std::string_view name) {
  const auto faults_before = faults_.size();
  auto value = text(name);
  if (value.empty() && faults_.size() == faults_before) fault(name, "is required: a string that is not empty");
  return value;
}

std::optional<std::int64_t> BodyReader::integer(std::string_view name) {
  known_.push_back(name);
  if (!body_) return std::nullopt;
  const auto at = body_->find(name);
  if (at == body_->end() || at->is_null()) return std::nullopt;
  if (at->is_number_integer() && !(at->is_number_unsigned() && at->get<std::uint64_t>() > INT64_MAX))
    return at->get<std::int64_t>();
  fault(name, "must be an integer");
  return std::nullopt;
}

std::vector<std::string> BodyReader::texts(std::string_view name) {
  known_.push_back(name);
  std::vector<std::string> list;
  if (!body_) return list;
  const auto at = body_->find(name);
  if (at == body_->end() || at->is_null()) return list;
  const bool good = at->is_array() && std::ranges::all_of(*at, [](const Json& entry) {
                      return entry.is_string() && !entry.get_ref<const std::string&>().empty() &&
                             entry.get_ref<const std::string&>().size() <= kMaxText;
                    });
  if (good)
    for (const auto& entry : *at) list.push_back(entry.get<std::string>());
  else
    fault(name, "must be a list of strings that are not empty");
  return list;
}

void BodyReader::fault(std::string_view name, std::string message) {
  faults_.push_back({(Json::json_pointer() / std::string(name)).to_string(), std::move(message)});
}

Result<void> BodyReader::finish() {
  if (!body_) return std::unexpected(body_.error());
  for (const auto& [name, value] : body_->items()) {
    if (std::ranges::find(known_, name) == known_.end()) fault(name.substr(0, 64), "no such field" + did_you_mean(name, known_));
  }
  if (!faults_.empty()) return bad_request(std::move(faults_));
  return {};
}

std::string no_such(std::string_view thing, std::string_view given, std::span<const std::string_view> known) {
  auto text =
      "\"" + std::string(given.substr(0, 40)) + "\" is no " + std::string(thing) + did_you_mean(given, known) + "; one of: ";
  for (const auto name : known) text += (name == known.front() ? "" : ", ") + std::string(name);
  return text;
}

Json time_or_none(const std::optional<UtcTime>& time) { return time ? Json(format_utc(*time)) : Json(); }
Json name_or_null(const Principal& name) { return name.empty() ? Json() : Json(name.str()); }

std::optional<Seconds> preferred_wait(const http::Headers& headers, Seconds most) {
  const auto trimmed = [](std::string_view text) {
    const auto begin = std::min(text.find_first_not_of(" \t\""), text.size());
    return text.substr(begin, text.find_last_not_of(" \t\"") + 1 - begin);
  };
  for (std::size_t i = 0; i < headers.size(); ++i) {
    auto [name, rest] = headers.at(i);
    if (!http::equal_ignoring_case(name, "prefer")) continue;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(','), rest.size());
      const auto preference = rest.substr(0, std::min(end, rest.find(';')));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const auto equals = std::min(preference.find('='), preference.size());
      if (!http::equal_ignoring_case(trimmed(preference.substr(0, equals)), "wait")) continue;
      const auto text = equals < preference.size() ? trimmed(preference.substr(equals + 1)) : std::string_view{};
      std::int64_t seconds = 0;
      const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
      if (error == std::errc::result_out_of_range && text.front() != '-') return most;
      if (error != std::errc{} || at != text.data() + text.size() || seconds < 0) return std::nullopt;  // the first one counts
      return std::min(Seconds{seconds}, most);
    }
  }
  return std::nullopt;
}

identity::Object object_of(const domain::Job& job, identity::Action action) {
  identity::Object object{.owner = job.owner, .project = job.spec.project};
  const bool was_last = action == identity::Action::read_job || domain::is_terminal(job.state);
  if (const auto* attempt = was_last ? job.last_attempt() : job.live_attempt()) object.sites.push_back(attempt->site);
  return object;
}

namespace {

std::unexpected<Error> no_job(std::string_view id) {
  return fail(ErrorKind::not_found, "JOB_NOT_FOUND",
              "there is no job " + std::string(id.substr(0, 40)) + ", or it is not yours; see: hansa jobs");
}

/// Why who may see a job may not do more to it.
std::string beyond_reading(identity::Action action) {
  return action == identity::Action::read_output
             ? "what it was given and what it writes is its owner's alone"
             : "it is another's, and not at a site whose operator you are, or no longer; ask an operator of this broker";
}

}  // namespace

async::Task<domain::Job> job_in_path(const Exchange& exchange) {
  const auto& text = exchange.path.at("id");
  const auto id = JobId::parse(text);
  if (!id) co_return no_job(text);
  auto job = co_await exchange.api.parts().jobs.job(*id);
  if (!job && job.error().kind == ErrorKind::not_found) co_return no_job(text);
  co_return job;
}

async::Task<domain::Job> find_job(const Exchange& exchange) {
  auto job = co_await job_in_path(exchange);
  if (!job) co_return job;
  if (!may(exchange, object_of(*job, exchange.action))) {
    using identity::Action;
    if (!identity::authorize(exchange.caller, Action::read_job, object_of(*job, Action::read_job)))
      co_return no_job(exchange.path.at("id"));
    co_return fail(ErrorKind::permission_denied, "NOT_YOUR_JOB",
                   "you may see job " + job->id.str() + ", and not do this to it: " + beyond_reading(exchange.action));
  }
  if (job->owner != exchange.caller.principal) {
    if (auto noted = note_access(exchange, job->owner); !noted) co_return std::unexpected(noted.error());
  }
  co_return job;
}

Result<void> may(const Exchange& exchange, const identity::Object& object) {
  return identity::authorize(exchange.caller, exchange.action, object);
}

Result<void> may(const Exchange& exchange, identity::Action action) { return identity::has_right(exchange.caller, action); }

Result<void> may_at(const Exchange& exchange, const SiteId& site) {
  auto allowed = may(exchange, {.sites = {site}});
  if (allowed || allowed.error().kind != ErrorKind::not_found) return allowed;
  return fail(
      ErrorKind::not_found, "SITE_NOT_FOUND",
      "there is no site \"" + site.str().substr(0, 40) + "\" here whose operator you are; see: hansa whoami, hansa sites");
}

}  // namespace hansa::api
