// SPDX-License-Identifier: Apache-2.0
#pragma once
// Commands that are one request and its answer.

#include "broker/cli/command_line.hpp"
#include "broker/cli/session.hpp"
#include "broker/core/canonical_json.hpp"

#include <functional>

namespace hansa::cli {

/// Sends it (`body`: null for none) and prints the answer: its JSON with --json, otherwise what `text` makes of it.
Result<ExitStatus> show_answer(Session& session, const Invocation& call, std::string_view method, const std::string& target,
                               const Json& body, const std::function<std::string(const Json&)>& text);

/// A name, or "-" for nobody.
std::string or_nobody(const Json& json, const char* key);

}  // namespace hansa::cli
