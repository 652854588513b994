// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site's connector as the protocol serves it: requests in, answers out. One for each connection; it knows no carrier.
// Strand: that of the session.

#include "broker/ports/site_connector.hpp"
#include "connectors/protocol/session.hpp"

#include <optional>
#include <string>

namespace hansa::connectors::agent {

class Service {
 public:
  /// `connector` outlives it. `name` is what this end calls itself. `asks_for_facts`: of jobs, what the broker's registers say.
  Service(ports::SiteConnector& connector, SiteId site, std::string name, bool asks_for_facts = false)
      : connector_(connector), site_(std::move(site)), name_(std::move(name)), asks_for_facts_(asks_for_facts) {}

  /// For the session, which `attach` names before it runs: a job's code is asked for over it.
  protocol::Session::Handler handler() {
    return [this](std::string method, Json params, async::Deadline deadline) {
      return serve(std::move(method), std::move(params), deadline);
    };
  }
  void attach(protocol::Session& session) { session_ = &session; }

 private:
  async::Task<Json> serve(std::string method, Json params, async::Deadline deadline);
  Result<Json> greet(const Json& params);
  async::Task<Json> submit(Json params, async::Deadline deadline);
  async::Task<Json> usage(Json params, async::Deadline deadline);
  async::Task<std::string> read_code(CodeId id, std::uint64_t offset, std::size_t limit, async::Deadline deadline);

  ports::SiteConnector& connector_;
  SiteId site_;
  std::string name_;
  bool asks_for_facts_;
  protocol::Session* session_ = nullptr;
  bool greeted_ = false;
  struct Rest {
    std::string cursor;  // that asks for it
    ports::UsagePage page;  // what did not fit into an answer
  };
  std::optional<Rest> rest_;
};

}  // namespace hansa::connectors::agent
