// SPDX-License-Identifier: Apache-2.0
#pragma once
// The way to a cluster of the bed, for a test that runs as root.

#include "connectors/transport/transport.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace hansa::testbed {

/// A file of the bed; HANSA_TESTBED_DIR says where that is.
std::string path_in_bed(std::string_view below);

/// As hansa-switch would, with setpriv(1) in its place: to be alice or bob. Counts what is asked of the scheduler.
class BedTransport final : public connectors::transport::Transport {
 public:
  explicit BedTransport(async::Scheduler& scheduler) : scheduler_(scheduler) {}

  async::Task<connectors::transport::CommandResult> run(connectors::transport::Command command,
                                                        async::Deadline deadline) override;
  [[nodiscard]] std::size_t questions() const { return questions_; }

 private:
  async::Scheduler& scheduler_;
  std::size_t questions_ = 0;
};

}  // namespace hansa::testbed
