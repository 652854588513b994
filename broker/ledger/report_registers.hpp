// SPDX-License-Identifier: Apache-2.0
#pragma once
// Of report_kinds(), those that tell of the ledger itself and of how people's data are protected: registers for an auditor, which
// name nobody but where that is what they are for (access).

#include "broker/ledger/report.hpp"

namespace hansa::ledger {

std::vector<ReportKind> register_kinds();

}  // namespace hansa::ledger
