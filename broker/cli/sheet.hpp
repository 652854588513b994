// SPDX-License-Identifier: Apache-2.0
#pragma once
// One thing for people, a line for each of its properties; and what a job asks for, wherever it is shown.

#include "broker/cli/text.hpp"
#include "broker/core/canonical_json.hpp"

#include <string>

namespace hansa::cli {

/// "label   value" lines; those without a value are left out.
class Sheet {
 public:
  void line(const char* label, const std::string& value, Tint tint = Tint::none) {
    if (!value.empty()) table_.add({Cell(label, Tint::strong), Cell(value, tint)});
  }
  [[nodiscard]] std::string text(const Look& look) const { return table_.text({.colours = look.colours}, false); }

 private:
  Table table_{{{""}, {""}}};
};

/// "2 nodes, 8 tasks, 16 cores, 32768 MiB, 10 min, queue main, account proj1": what a site gives an attempt.
std::string granted_text(const Json& granted);

/// Its resources, time limit, placement, code and outputs: of a job's details, or of a submission that a dry run shows.
void add_request(Sheet& sheet, const Json& job);

/// What a dry run was asked.
std::string submission_text(const Json& submission, const Look& look);

}  // namespace hansa::cli
