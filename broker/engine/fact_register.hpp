// SPDX-License-Identifier: Apache-2.0
#pragma once
// The registers of places, projects and people: who said what of them, what takes effect at once and what waits for a second
// person. Who may ask at all is the caller's question (identity). What the register says of a fact takes the place of what the
// configuration says, from the next question on (rulebook.hpp). Callable from any thread; returns on the caller's executor.

#include "broker/core/ulid.hpp"
#include "broker/engine/catalogue.hpp"
#include "broker/engine/engine.hpp"
#include "broker/ports/facts.hpp"
#include "broker/ports/log.hpp"

namespace hansa::engine {

struct FactOutcome {
  domain::RegisteredFact fact;  // as it is now
  std::vector<domain::FactChange> changes;  // what was asked made these, or ruled on this one
};

class FactRegister {
 public:
  FactRegister(const Clock& clock, UlidSource& ids, ports::FactStore& store, Engine& engine, ports::Log& log)
      : clock_(clock), ids_(ids), store_(store), engine_(engine), log_(log) {}

  /// Brings what is stored into force: at start, before anything is decided.
  async::Task<> load();

  // The key's attribute is one that a register tells of such a subject, the value one that it can have (rules::read_told).
  // Repeating what is so already, with its day, adds nothing. What takes the file's place is two people's, even where it says
  // less; of one fact one change waits at a time (conflict: ALREADY_PENDING names it).

  /// `wanted.as_of` of a place: none is now, or as before where less is said than before; of others there is none.
  /// invalid_argument, BAD_FACT: times that cannot be.
  async::Task<FactOutcome> state(Asking asking, domain::FactKey key, domain::Statement wanted);
  async::Task<FactOutcome> withdraw(Asking asking, domain::FactKey key);

  /// Approves or rejects. Conflict: NOT_PENDING, CHANGE_OUTDATED.
  async::Task<FactOutcome> rule(Asking asking, domain::FactChange change, bool approve);

 private:
  async::Task<FactOutcome> record(Asking asking, domain::RegisteredFact fact, std::vector<domain::FactChangeBody> bodies);
  async::Task<> refuse_second(const domain::FactKey& key) const;
  /// What counts now, whoever says so.
  [[nodiscard]] std::optional<domain::Statement> said(const domain::RegisteredFact& fact) const;
  void publish(const FactOutcome& outcome) const;

  const Clock& clock_;
  UlidSource& ids_;
  ports::FactStore& store_;
  Engine& engine_;
  ports::Log& log_;
};

}  // namespace hansa::engine
