// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the reports have in common: they are asked for, grouped and printed in the same way.

#include "broker/cli/broker_link.hpp"
#include "broker/cli/command_line.hpp"
#include "broker/cli/exit_status.hpp"
#include "broker/cli/session.hpp"
#include "broker/cli/text.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::cli {

/// What a report is grouped by, and the columns of a table for it.
std::vector<std::string> grouped_by(const Json& report);
std::string title_of(std::string_view key);

/// RFC 4180, header first: the groups, then the figures; an empty field where there is none to tell.
std::string report_csv(const Json& report, std::span<const char* const> figures);

struct ReportKind {
  std::string_view path;
  std::vector<std::string_view> moments;  // options, "--from", and the parameters they become, "from"
  std::string (*csv)(const Json& report);
  std::string (*table)(const Json& report, const Look& look);
  std::string_view nothing;  // said of a table without rows
};

/// The call's --project and --site, as the API takes them.
void add_limits(Target& target, const Invocation& call);

/// Asks for the report with the call's --by, limits and moments, and prints it as its --format or --json says.
Result<ExitStatus> print_report(Session& session, const Invocation& call, const ReportKind& kind);

}  // namespace hansa::cli
