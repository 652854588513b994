// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the OpenAPI document says beyond the table of routes: for each operation its query, body and answer, and the schemas.

#include <array>
#include <string_view>

namespace hansa::api {

/// JSON: operationId -> {"query", "headers", "body", "body_optional", "answer" or "content", "status", "or_200"}.
extern const std::string_view kOperations;
/// JSON: name -> schema, in parts.
extern const std::array<std::string_view, 2> kSchemas;

}  // namespace hansa::api
