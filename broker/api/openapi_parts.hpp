// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the OpenAPI document says beyond the table of routes: for each operation its query, body and answer, and the schemas.

#include <string_view>

namespace hansa::api {

/// JSON: operationId -> {"query", "headers", "body", "body_optional", "answer" or "content", "status", "or_200"}.
extern const std::string_view kOperations;
/// JSON: name -> schema.
extern const std::string_view kSchemas;

}  // namespace hansa::api
