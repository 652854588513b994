// SPDX-License-Identifier: Apache-2.0
#pragma once
// The rows of each report (broker/ledger/report.hpp declares them), in the order of its columns. One more is a producer here.

#include "broker/ports/reports.hpp"
#include "broker/store/connection.hpp"
#include "broker/store/sqlite_store.hpp"

#include <set>
#include <string>
#include <vector>

namespace hansa::store {

/// not_found, NO_SUCH_REPORT.
Result<void> write_report(Connection& db, const Options& options, const std::string& name, const ports::ReportQuery& query,
                          const ports::RowSink& sink);

// reports.cpp
Result<void> write_usage(Connection& db, const Options& options, const ports::ReportQuery& query, const ports::RowSink& sink);
Result<void> write_energy(Connection& db, const Options& options, const ports::ReportQuery& query, const ports::RowSink& sink);
Result<void> write_clearing(Connection& db, const Options& options, const ports::ReportQuery& query, const ports::RowSink& sink);
Result<void> write_corrections(Connection& db, const Options& options, const ports::ReportQuery& query,
                               const ports::RowSink& sink);
// report_grants.cpp
Result<void> write_funding(Connection& db, const Options& options, const ports::ReportQuery& query, const ports::RowSink& sink);
Result<void> write_grants(Connection& db, const Options& options, const ports::ReportQuery& query, const ports::RowSink& sink);
// report_withholding.cpp
/// The groups whose figures a third party may not see: of fewer than five persons, or that would give such away. More than two
/// dimensions, or persons: invalid_argument, NOT_FOR_THIRD_PARTY; more groups than can be looked through: TOO_MANY_GROUPS.
Result<std::set<std::vector<std::string>>> groups_withheld(Connection& db, const std::string& name,
                                                           const ports::ReportQuery& query);
// report_decisions.cpp
Result<void> write_sovereignty(Connection& db, const Options& options, const ports::ReportQuery& query,
                               const ports::RowSink& sink);
// report_periods.cpp
Result<void> write_period(Connection& db, const Options& options, const ports::ReportQuery& query, const ports::RowSink& sink);
Result<void> write_reconciliation(Connection& db, const Options& options, const ports::ReportQuery& query,
                                  const ports::RowSink& sink);
// report_completeness.cpp
Result<void> write_completeness(Connection& db, const Options& options, const ports::ReportQuery& query,
                                const ports::RowSink& sink);
// report_protection.cpp
Result<void> write_access(Connection& db, const Options& options, const ports::ReportQuery& query, const ports::RowSink& sink);
Result<void> write_retention(Connection& db, const Options& options, const ports::ReportQuery& query, const ports::RowSink& sink);

}  // namespace hansa::store
