// SPDX-License-Identifier: Apache-2.0
#pragma once
// What handlers share: answers, the query's and body's reader, a job that the caller may see.

#include "broker/api/routes.hpp"
#include "broker/async/run_on.hpp"
#include "broker/wire/views.hpp"

namespace hansa::api {

http::Response json_answer(int status, const Json& json);
http::Response problem_answer(const Error& error, std::string_view request_id);

/// Reads a request's query; every fault is remembered with its parameter. finish() last: unknown parameters are faults too.
class QueryReader {
 public:
  explicit QueryReader(const http::Query& query) : query_(query) {}

  std::optional<std::string> text(std::string_view name);
  std::vector<std::string> list(std::string_view name);       // "a,b,c", and the parameter may be repeated
  std::int64_t integer(std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most);
  std::optional<UtcTime> time(std::string_view name);
  bool flag(std::string_view name);
  void fault(std::string_view name, std::string message);
  Result<void> finish();

 private:
  const http::Query& query_;
  std::vector<std::string_view> known_;
  std::vector<Fault> faults_;
};

/// The body as a JSON object; an empty body is {}. Fields beyond `known` are faults.
Result<Json> read_body(const http::Request& request, std::vector<std::string_view> known);
/// A string field of it; a fault if absent and required.
Result<std::string> text_field(const Json& body, const char* name, bool required);

/// How long the client would have its answer wait ("Prefer: wait=N", RFC 7240), at most `most`. A preference is no demand: one
/// that cannot be read counts as not given.
std::optional<Seconds> preferred_wait(const http::Headers& headers, Seconds most);

/// The job in the path, if the caller may do this to it; as if it did not exist otherwise.
async::Task<domain::Job> find_job(const Exchange& exchange, identity::Action action);

/// Runs an engine's use case on the engine's strand.
template <class T>
async::Task<T> on_engine(const Exchange& exchange, async::Task<T> work) {
  return async::run_on(exchange.api.parts().engine.executor(), std::move(work));
}

}  // namespace hansa::api
