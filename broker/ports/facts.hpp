// SPDX-License-Identifier: Apache-2.0
#pragma once
// The registers of places, projects and people, by use case. As with the other stores (stores.hpp): a write returns when it is
// durable; callable from any strand. The log of changes and rulings is append-only; what is in effect is its projection.

#include "broker/domain/fact.hpp"
#include "broker/ports/catalogue.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hansa::ports {

/// What happened to one fact at once. Each new change and the ruling have a version of their own, rising one by one; the last is
/// the fact's.
struct FactStep {
  domain::RegisteredFact fact;            // after it
  std::vector<domain::FactChange> changes;
  std::optional<NewRuling> ruling;
};

struct FactChangeQuery {
  std::optional<domain::FactSubject> subject;
  std::optional<std::string> attribute;
  std::optional<domain::ChangeState> state;
  std::optional<domain::ChangeId> before;  // cursor: newest first, ids below this one
  std::size_t limit = 100;
};

class FactStore {
 public:
  virtual ~FactStore() = default;

  /// All of it or nothing. Conflicts: STALE_VERSION (the fact is not at the version before the step); ALREADY_RULED;
  /// STORE_CONFLICT (a ruling that is the proposer's own).
  virtual async::Task<> record_fact(FactStep step) = 0;

  /// Version 0: nobody has said anything about it yet.
  virtual async::Task<domain::RegisteredFact> registered_fact(domain::FactKey key) = 0;
  /// All of them, by key.
  virtual async::Task<std::vector<domain::RegisteredFact>> registered_facts() = 0;
  virtual async::Task<domain::FactChange> fact_change(domain::ChangeId id) = 0;  // not_found, CHANGE_NOT_FOUND
  virtual async::Task<std::vector<domain::FactChange>> fact_changes(FactChangeQuery query) = 0;  // newest first
};

}  // namespace hansa::ports
