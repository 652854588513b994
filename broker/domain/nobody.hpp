// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is left of a job once it is not known any more whose it was: amounts, times, places and codes; no name, no text.

#include "broker/domain/event.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hansa::domain {

/// Whose a job is that was anybody's. No issuer has this name.
inline const Principal kNobody{"erased:nobody"};

/// Resources, places, datasets, labels and the array; without names, paths, images, environment and code.
JobSpec without_names(JobSpec spec);
/// The same event of a job that was nobody's all along.
EventBody without_names(EventBody body);

/// Names of a person in texts that tell of others as well. A name is found where it stands alone: "alice" not in "malice"
/// nor in "alice.b", "local:alice" not in "local:alice@uni.fi".
class Names {
 public:
  void add(std::string_view name);
  [[nodiscard]] bool empty() const { return names_.empty(); }
  [[nodiscard]] bool in(std::string_view text) const;
  /// With nobody in their place.
  [[nodiscard]] std::string without(std::string_view text) const;
  /// Of all sentences in it; of other texts principals alone.
  [[nodiscard]] Json without_in(Json json) const;

 private:
  std::vector<std::string> names_;  // the longest first: one may hold another
};

}  // namespace hansa::domain
