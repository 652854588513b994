// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the commands about registers have in common: what is asked of them makes changes, some of which wait for a second person.

#include "broker/cli/command_line.hpp"
#include "broker/cli/exit_status.hpp"
#include "broker/cli/session.hpp"
#include "broker/cli/text.hpp"

#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace hansa::cli {

struct Register {
  std::string_view group;       // of commands: "data"
  std::string_view name;        // of the register in the API: "datasets"
  std::string_view filter;      // of its changes, by an operand: "dataset"
  std::string_view heading;     // of what a change is of
  std::span<const std::pair<std::string_view, std::string_view>> words;  // places in requests, as the command line calls them
};
const Register& datasets();
const Register& facts();

std::string dumped(const Json& json);
void put_text(Json& request, const char* field, const std::optional<std::string_view>& value);

/// Sends it, and tells what became of it: its changes, and who has to do what about them.
Result<ExitStatus> ask(Session& session, const Invocation& call, const Register& of, std::string_view method,
                       const std::string& target, const std::string& body = {});

std::string change_table(const Register& of, const Json& changes, const Look& look);
/// `hansa GROUP changes`.
Result<ExitStatus> list_changes(Session& session, const Invocation& call, const Register& of);
/// `hansa GROUP approve|reject`.
Result<ExitStatus> rule_on_change(Session& session, const Invocation& call, const Register& of, std::string_view word);

// Of one register's changes, in a few words.
std::string dataset_change_text(const Json& change);
std::string fact_change_text(const Json& change);

}  // namespace hansa::cli
