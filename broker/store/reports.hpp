// SPDX-License-Identifier: Apache-2.0
#pragma once
// The rows of each report (broker/ledger/report.hpp declares them), in the order of its columns. One more is a producer here.

#include "broker/ports/reports.hpp"
#include "broker/store/connection.hpp"
#include "broker/store/sqlite_store.hpp"

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
// report_decisions.cpp
Result<void> write_sovereignty(Connection& db, const Options& options, const ports::ReportQuery& query,
                               const ports::RowSink& sink);

}  // namespace hansa::store
