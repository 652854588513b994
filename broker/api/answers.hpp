// SPDX-License-Identifier: Apache-2.0
#pragma once
// What handlers share: answers, the query's and body's reader, a job that the caller may see.

#include "broker/api/routes.hpp"
#include "broker/async/run_on.hpp"
#include "broker/wire/views.hpp"

namespace hansa::api {

/// Rows in one page of a listing.
inline constexpr std::int64_t kMaxPage = 1'000;
/// Bytes of a reason that somebody gives in their own words.
inline constexpr std::size_t kMostReason = 500;

http::Response json_answer(int status, const Json& json);
http::Response problem_answer(const Error& error, std::string_view request_id);

/// Reads a request's query; every fault is remembered with its parameter ("?limit"). finish() last: unknown parameters are faults
/// too. Routes that read no query need none: the dispatcher refuses theirs.
class QueryReader {
 public:
  explicit QueryReader(const http::Query& query) : query_(query) {}

  std::optional<std::string> text(std::string_view name);
  std::vector<std::string> list(std::string_view name);  // "a,b,c"; this parameter alone may be repeated
  std::int64_t integer(std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most);
  std::optional<UtcTime> time(std::string_view name);
  bool flag(std::string_view name);
  /// A report's "by", in the order asked; `names` are those of Group's values, `otherwise` is for a request without.
  template <typename Group>
  std::vector<Group> groups(std::span<const std::string_view> names, std::vector<Group> otherwise) {
    const auto places = places_in(names);
    if (places.empty()) return otherwise;
    std::vector<Group> by;
    for (const auto place : places) by.push_back(static_cast<Group>(place));
    return by;
  }
  void fault(std::string_view name, std::string message);
  Result<void> finish();

 private:
  std::vector<std::size_t> places_in(std::span<const std::string_view> names);

  const http::Query& query_;
  std::vector<std::string_view> known_;
  std::vector<Fault> faults_;
};

/// The same for a body that is a JSON object of strings; an empty one is {}.
class BodyReader {
 public:
  explicit BodyReader(const http::Request& request);

  std::string text(std::string_view name);  // "" if it is not there
  std::string required(std::string_view name);  // not there, or empty: a fault
  std::optional<std::int64_t> integer(std::string_view name);
  std::vector<std::string> texts(std::string_view name);  // a list of strings that are not empty; none if it is not there
  void fault(std::string_view name, std::string message);
  Result<void> finish();

 private:
  Result<Json> body_;
  std::vector<std::string_view> known_;
  std::vector<Fault> faults_;
};

// Null: there is none, or nobody.
Json time_or_none(const std::optional<UtcTime>& time);
Json name_or_null(const Principal& name);

/// `"x" is no state (did you mean ...); one of: a, b, c`, for a fault.
std::string no_such(std::string_view thing, std::string_view given, std::span<const std::string_view> known);

/// How long the client would have its answer wait ("Prefer: wait=N", RFC 7240), at most `most`. A preference is no demand: one
/// that cannot be read counts as not given.
std::optional<Seconds> preferred_wait(const http::Headers& headers, Seconds most);

/// Whether the caller may do what the route asks for to this. not_found, as if it did not exist, if it is out of reach; that they
/// may do it to anything at all the dispatcher has asked already.
Result<void> may(const Exchange& exchange, const identity::Object& object);
/// Whether they have any right to something else than what the route asks for.
Result<void> may(const Exchange& exchange, identity::Action action);
/// The same as may() of a site, of which everybody may know that it is there: SITE_NOT_FOUND, of those that are not as well.
Result<void> may_at(const Exchange& exchange, const SiteId& site);
/// Puts on record that the caller reads what is held of somebody else. Refused where that cannot be.
Result<void> note_access(const Exchange& exchange, const Principal& subject, std::string reason = {});
/// The same of an operation that tells of several people at once, if the caller is one who sees others'.
Result<void> note_listing(const Exchange& exchange);
/// Whether an operation is one of those. None: nobody has said, which a test does not let pass.
std::optional<bool> is_listing(std::string_view operation);

/// What authorization asks of a job. It is at the site where it is or was last; while it is not over, who changes it there has to
/// find it there.
identity::Object object_of(const domain::Job& job, identity::Action action);
/// The job in the path, whosever it is. not_found, JOB_NOT_FOUND.
async::Task<domain::Job> job_in_path(const Exchange& exchange);
/// The job in the path, if the caller may do to it what the route asks for. permission_denied, NOT_YOUR_JOB, to whoever may read
/// it and no more; else as if it did not exist.
async::Task<domain::Job> find_job(const Exchange& exchange);

/// A job whose script and output the caller may read: their own, or by break-glass, which is on record then.
struct OpenedJob {
  domain::Job job;
  std::optional<domain::BreakGlassId> by_glass = {};
};
/// The job in the path. As find_job(), and for operators permission_denied with what is missing (BreakGlassRegister::use).
async::Task<OpenedJob> open_job(const Exchange& exchange);
/// The same of all that is a person's. On record, too.
async::Task<domain::BreakGlass> open_person(const Exchange& exchange, const Principal& person);
/// For an answer that takes longer: permission_denied, BREAK_GLASS_ENDED.
Result<void> still_open(const Exchange& exchange, const OpenedJob& job);

/// Runs an engine's use case on the engine's strand.
template <class T>
async::Task<T> on_engine(const Exchange& exchange, async::Task<T> work) {
  return async::run_on(exchange.api.parts().engine.executor(), std::move(work));
}

}  // namespace hansa::api
