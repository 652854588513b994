// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the OpenAPI document says beyond the table of routes: for each operation its query, body and answer, and the schemas.

#include <string_view>

namespace hansa::api {

extern const std::string_view
    kOperations;  // JSON: operationId -> {"query": [...], "body": schema, "answer": schema | "content": type, "status": n}
extern const std::string_view kSchemas;     // JSON: name -> schema

}  // namespace hansa::api
