// SPDX-License-Identifier: Apache-2.0
#pragma once
// The closed vocabulary of rules: what may be asked of a person, a project, a dataset and a place, who is believed about it
// and for how long. A rule can say nothing else, so everything a rule says can be checked before it is used.

#include "broker/core/clock.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hansa::rules {

/// What is about to happen to a script, a dataset or an output. `site` attributes are always those of the receiving place: the
/// broker itself for `intake`, the destination for `stage_out` and `log_export`.
enum class Action : std::uint8_t { intake, place, stage_in, dispatch, reroute, stage_out, log_export };
inline constexpr std::size_t kActions = 7;
std::string_view to_string(Action action);
std::span<const std::string_view> action_names();

enum class Effect : std::uint8_t { permit, forbid };
std::string_view to_string(Effect effect);

/// Whom a fact describes. `job`: everything that is the same for all sites and datasets (person, project, request, clock).
enum class Subject : std::uint8_t { job, dataset, site };

/// Who is believed. A fact from anybody else is no evidence.
enum class Source : std::uint8_t { token, dataset_registry, project_registry, site_descriptor, request, clock };
std::string_view to_string(Source source);

enum class Type : std::uint8_t {
  boolean,
  integer,
  time,
  word,       // one of the attribute's words
  level,      // as word, the words in rising order
  country,    // ISO 3166-1 alpha-2
  id,         // 1 to 128 letters, digits and ._:@/+-
  words,      // several of each
  countries,
  ids,
};
std::string_view to_string(Type type);
constexpr bool is_several(Type type) { return type >= Type::words; }
/// The type of one member of several.
constexpr Type member_type(Type type) {
  return type == Type::words ? Type::word : type == Type::countries ? Type::country : type == Type::ids ? Type::id : type;
}

enum class Attribute : std::uint8_t {
  now,
  user_id,
  user_country,
  user_assurance,
  user_affiliation,
  user_authentication,
  project_id,
  project_labels,
  project_purpose,
  project_access_mode,
  project_lead_country,
  project_member_countries,
  project_permits,
  project_export_licence,
  project_export_licence_until,
  project_members_cleared,
  project_ai_training,
  project_training_petaflop,
  project_commission_notified,
  request_labels,
  dataset_id,
  dataset_labels,
  dataset_permit,
  dataset_permit_until,
  dataset_transfer_basis,
  dataset_reviewed,
  site_id,
  site_kind,
  site_status,
  site_country,
  site_operator_country,
  site_operator_parent_country,
  site_labels,
  site_secure_processing,
  site_tenant_isolation,
  site_encryption_at_rest,
  site_egress,
  site_eurohpc,
};
inline constexpr std::size_t kAttributes = static_cast<std::size_t>(Attribute::site_eurohpc) + 1;
constexpr std::size_t index_of(Attribute attribute) { return static_cast<std::size_t>(attribute); }

struct AttributeRecord {
  Attribute attribute{};
  std::string_view name;        // "site.operator_country"
  Type type{};
  Subject subject{};
  Source source{};
  Seconds max_age{0};           // 0: does not age
  std::string_view phrase;      // subject of a sentence: "the site's country"; of a boolean, the sentence itself
  std::string_view help;
  std::span<const std::string_view> words = {};
  bool may_be_empty = false;    // of several
  std::int64_t least = 0;       // of an integer
  std::int64_t most = 0;
};

std::span<const AttributeRecord> vocabulary();
const AttributeRecord& record_of(Attribute attribute);
/// Null for a name that is none.
const AttributeRecord* find_attribute(std::string_view name);
std::span<const std::string_view> attribute_names();

/// Labels of datasets, projects and requests.
std::span<const std::string_view> data_labels();

enum class Op : std::uint8_t {
  eq,
  ne,
  in,
  not_in,
  in_set,
  not_in_set,
  lt,
  le,
  gt,
  ge,
  at_least,
  at_most,
  any_of,
  all_of,
  none_of,
  within,
  any_in_set,
  within_set,
};

enum class Operand : std::uint8_t { one, list, set };

struct OpRecord {
  Op op{};
  std::string_view name;
  Operand operand{};
  std::string_view types;  // for messages: "an integer or a time"
  std::string_view phrase; // "is at least"
};

std::span<const OpRecord> operators();
const OpRecord& record_of(Op op);
const OpRecord* find_op(std::string_view name);
bool takes(Op op, Type type);
/// Whether the operand may be another attribute, of type `other`.
bool compares(Op op, Type type, Type other);

/// Who sees to an obligation. The broker can refuse what would pass through it; what happens at a site it neither does nor sees.
enum class Keeper : std::uint8_t { broker, site };

/// What goes with a permission. Text as in a pack: "no_log_export"; "wipe_within_hours:24 by site" for what the sites see to.
struct ObligationRecord {
  std::string_view name;
  bool counted = false;  // with ":N", N from 1 to `most`
  std::int64_t most = 0;
  Keeper keeper = Keeper::site;
  std::string_view sentence;  // "{}" is N
};
std::span<const ObligationRecord> obligations();

/// An obligation's text in its parts.
struct ObligationText {
  std::string_view name;
  std::string_view number;  // "": none
  bool by_site = false;
};
ObligationText parts_of(std::string_view obligation);

}  // namespace hansa::rules
