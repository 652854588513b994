// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"

namespace hansa::api {

async::Task<http::Response> healthz(Exchange) { co_return json_answer(200, {{"status", "ok"}}); }

async::Task<http::Response> readyz(Exchange exchange) {
  if (exchange.api.ready()) co_return json_answer(200, {{"status", "ready"}});
  co_return fail(ErrorKind::unavailable, "NOT_READY", "the broker is starting or stopping");
}

async::Task<http::Response> openapi(Exchange exchange) { co_return json_answer(200, openapi_document(exchange.api.facts())); }

}  // namespace hansa::api
