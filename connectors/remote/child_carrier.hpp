// SPDX-License-Identifier: Apache-2.0
#pragma once
// A program whose standard input and output are the connection: a plug-in, or OpenSSH's client with a site's agent behind it.

#include "broker/async/live_child.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/core/strong.hpp"
#include "broker/ports/log.hpp"
#include "connectors/remote/carrier.hpp"

#include <functional>
#include <string>
#include <vector>

namespace hansa::connectors::remote {

class ChildCarrier final : public Carrier {
 public:
  /// How it ended, the last that it said on its standard error, and what the protocol made of it -> why, for people.
  using Explain = std::function<boost::asio::awaitable<Error>(async::ChildEnd end, std::string last_words, Error why)>;

  /// What it says on its standard error goes to the log, a line each, within bounds. `scheduler` and `log` outlive all.
  ChildCarrier(async::Scheduler& scheduler, ports::Log& log, SiteId site, std::vector<std::string> argv, Explain explain);

  async::Task<std::unique_ptr<protocol::Lines>> open(async::Deadline deadline) override;

 private:
  async::Scheduler& scheduler_;
  ports::Log& log_;
  SiteId site_;
  std::vector<std::string> argv_;
  Explain explain_;
};

/// Of a plug-in: its exit status and last words.
boost::asio::awaitable<Error> explain_program(std::string program, async::ChildEnd end, std::string last_words, Error why);

/// "ended with status 1", "was ended by signal 9".
std::string told(const async::ChildEnd& end);

}  // namespace hansa::connectors::remote
