// SPDX-License-Identifier: Apache-2.0
#pragma once
// Decisions in the order in which they were taken, page by page.

#include "broker/ports/decisions.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

Result<ports::DecisionPage> read_decisions(Connection& db, const ports::DecisionQuery& query);

}  // namespace hansa::store
