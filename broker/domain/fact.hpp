// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the registers say of places, projects and people, and the changes that made it so: what each change does, and whether it
// needs a second person, is decided here. Which attributes there are is the rules' question (policies/rules). Pure.

#include "broker/core/canonical_json.hpp"
#include "broker/domain/change.hpp"

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hansa::domain {

/// Whom a fact is about.
struct FactSubject {
  enum class Kind { broker, site, project, person };
  Kind kind = Kind::broker;
  std::string id;                         // of a person: the principal; of the broker: ""

  [[nodiscard]] std::string str() const;  // "broker", "site:geneva", "project:lab", "person:local:alice"
  [[nodiscard]] bool is_place() const { return kind == Kind::broker || kind == Kind::site; }
  /// What names of attributes about it begin with: "site." of every place, "project.", "user.".
  [[nodiscard]] std::string_view attribute_prefix() const;
  friend auto operator<=>(const FactSubject&, const FactSubject&) = default;
};
/// "person:alice" is local:alice, as elsewhere. Error: invalid_argument, BAD_SUBJECT, with what it may be.
Result<FactSubject> parse_subject(std::string_view text);

struct FactKey {
  FactSubject subject;
  std::string attribute;                  // a name of the rules' vocabulary: "site.operator_country"
  friend auto operator<=>(const FactKey&, const FactKey&) = default;
};

using FactValue = std::variant<bool, std::int64_t, UtcTime, std::string, std::vector<std::string>>;
Json value_json(const FactValue& value);
/// None: it is no such value.
std::optional<FactValue> value_from_json(const Json& json);

/// What is said, and on what it rests.
struct Statement {
  FactValue value;                        // several: in order, each once
  std::optional<UtcTime> as_of;           // when somebody looked; none: it is so for as long as the register says so
  std::optional<UtcTime> until;           // from then on it is no evidence
  std::string evidence;                   // where that is written down; for people
  friend bool operator==(const Statement&, const Statement&) = default;
};

/// What the register says of one attribute of one subject.
struct RegisteredFact {
  FactKey key;
  std::int64_t version = 0;               // changes and rulings so far
  std::optional<ChangeId> change;  // the one in effect; none: the register says nothing, the configuration's word counts
  std::optional<Statement> statement;  // none, though a change is in effect: withdrawn, nothing is known
  UtcTime changed_at{};  // when that change took effect
  friend bool operator==(const RegisteredFact&, const RegisteredFact&) = default;
};

/// `before`: what counted when it was made, whoever said so.
struct FactChangeBody {
  std::optional<Statement> before;
  std::optional<ChangeId> made_from;  // RegisteredFact::change of then
  std::optional<Statement> after;  // none: withdrawn
  friend bool operator==(const FactChangeBody&, const FactChangeBody&) = default;
};
using FactChange = Change<FactKey, FactChangeBody>;

std::string_view change_name(const FactChangeBody& body);  // "fact_stated", "fact_withdrawn"

/// From what is said to what shall be said, in at most two steps: what can only deny comes at once (a label of a project that
/// restricts, a certificate of a place less, an earlier end), the rest (the second) is to wait for a second person. None if there
/// is nothing to do. `made_from` is the recorder's.
std::vector<FactChangeBody> fact_steps(const FactKey& key, const std::optional<Statement>& before, Statement wanted);
/// Whether `value` says the same as `before` or less, so that nothing that `before` rests on has to be shown again.
bool only_narrows(const FactKey& key, const FactValue& before, const FactValue& value);

/// A statement that is more than the strict step of fact_steps(), or the first one, which takes the configuration's place for
/// good. What is withdrawn is missing evidence, which can only deny.
bool needs_second_person(const RegisteredFact& fact, const FactChangeBody& body);

/// What the change makes of the fact, at the moment it takes effect; `version` is the recorder's. Conflict: CHANGE_OUTDATED (it
/// is no longer what the change was made from).
Result<void> apply(RegisteredFact& fact, const FactChange& change, UtcTime effective_at);
/// The same where it was made from what the configuration said: `configured` is what that says now.
Result<void> still_fits(const FactChange& change, const std::optional<Statement>& configured);

/// Whether this person may approve it: neither their own, nor about themselves. permission_denied, OWN_CHANGE.
Result<void> may_approve(const Principal& person, const FactChange& change);

// JSON, as the store keeps it.
Json to_json(const Statement& statement);
Result<Statement> statement_from_json(const Json& json);
Json to_json(const FactChangeBody& body);
Result<FactChangeBody> fact_change_from_json(const Json& json);

}  // namespace hansa::domain
