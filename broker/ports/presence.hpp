// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a connector implements beside SiteConnector whose people come and go: each is reached by a connection that they open
// themselves. Called on the engine's strand.

#include "broker/core/strong.hpp"
#include "broker/domain/job.hpp"

#include <functional>
#include <optional>

namespace hansa::ports {

class Presence {
 public:
  virtual ~Presence() = default;
  /// Why nothing of this person's can be done there now, with what they can do about it; none: they are there.
  [[nodiscard]] virtual std::optional<domain::Reason> absent(const Principal& person) const = 0;
  /// `tell` is called, on the engine's strand, whenever somebody has come.
  virtual void when_present(std::function<void(const Principal& person)> tell) = 0;
};

}  // namespace hansa::ports
