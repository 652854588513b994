// SPDX-License-Identifier: Apache-2.0
#pragma once
// A report's file against its manifest, and both against an export of the ledger.

#include "broker/cli/session.hpp"
#include "broker/ledger/export_check.hpp"

#include <string>
#include <string_view>

namespace hansa::cli {

/// Its bytes, in pieces.
Result<void> read_in_pieces(const std::string& path, const std::function<Result<void>(std::string_view)>& take);

/// `ledger`: an export, or "". LEDGER_ALTERED: what does not hold.
Result<ExitStatus> check_report(Session& session, const std::string& report, const std::string& ledger,
                                ledger::ExportCheck::Wanted wanted, bool as_json);

}  // namespace hansa::cli
