// SPDX-License-Identifier: Apache-2.0
#pragma once
// The record of processing activities as a document for people.

#include "broker/core/canonical_json.hpp"

#include <string>

namespace hansa::cli {

/// Markdown of GET /v1/privacy/record.
std::string record_markdown(const Json& record);

}  // namespace hansa::cli
