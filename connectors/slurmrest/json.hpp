// SPDX-License-Identifier: Apache-2.0
#pragma once
// What slurmrestd writes, as far as its versions differ in how: numbers plain or in three states, words one or several, null or
// "" for nothing. Each reader takes all of these forms; none takes what is something else.

#include "broker/core/clock.hpp"
#include "broker/wire/json_tree.hpp"
#include "connectors/slurm/values.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurmrest {

using slurm::Field;
using slurm::Malformed;
using wire::JsonNode;

/// A JSON document and its text. The names of jobs reach it as they are, in bytes that are no UTF-8 (22.05.8 and 26.05.3:
/// tests/data/slurm/README.md), and one of them must not hide all the others: those bytes are read as '?'.
class Document {
 public:
  static Result<Document> parse(std::string text);
  [[nodiscard]] const JsonNode& root() const { return *tree_->root(); }

 private:
  Document() = default;
  std::unique_ptr<const std::string> text_;
  std::unique_ptr<const wire::JsonTree> tree_;
};

inline constexpr std::size_t kMaxDepth = 48;  // an OpenAPI document has some twenty

/// The member at this path ("state/current"); null: there is none.
const JsonNode* at(const JsonNode& node, std::string_view path);

/// 5, null, -1 (no limit, not known), {"set": true, "infinite": false, "number": 5}. None: not set, or without limit.
Field<std::int64_t> number(const JsonNode* node);
/// The same as seconds since 1970; 0 is none.
Field<UtcTime> time(const JsonNode* node);

/// nullopt for what is no text; null and what is missing is "".
std::optional<std::string_view> text(const JsonNode* node);

/// "RUNNING" or ["RUNNING"], upper case. nullopt for anything else; null and what is missing is none.
std::optional<std::vector<std::string>> words(const JsonNode* node);

/// {"status", "return_code", "signal"}, or the raw wait status that 0.0.38 has of the controller.
std::optional<slurm::ExitCode> exit_code(const JsonNode* node);

}  // namespace hansa::connectors::slurmrest
