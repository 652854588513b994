// SPDX-License-Identifier: Apache-2.0
#pragma once
// People whose own agents come and go: what waited for a login at a site is taken up when there is one. Whoever comes again and
// again is taken up now and then: an agent can break its connection as often as it likes, and each time everything is placed anew.
// Strand: the engine's.

#include "broker/engine/context.hpp"

#include <map>
#include <utility>

namespace hansa::engine {

class Dispatch;
class Placement;

class Arrivals {
 public:
  /// All outlive it.
  Arrivals(Context& context, Dispatch& dispatch, Placement& placement)
      : context_(context), dispatch_(dispatch), placement_(placement) {}

  void came(SiteDesk& desk, const Principal& person);
  /// Those who have come again, once that is to be taken up; ends by cancellation.
  async::Task<> run();

 private:
  /// What waited for this person to log in there.
  void take_up(SiteDesk& desk, const Principal& person);

  struct Arrival {
    MonotonicTime next_at{};  // when another one is taken up
    bool again = false;  // there has been one since the last that was
  };
  Context& context_;
  Dispatch& dispatch_;
  Placement& placement_;
  std::map<std::pair<SiteId, Principal>, Arrival> arrivals_;  // of late
  async::Event came_again_{context_.strand};
};

}  // namespace hansa::engine
