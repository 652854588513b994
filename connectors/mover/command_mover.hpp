// SPDX-License-Identifier: Apache-2.0
#pragma once
// A mover whose work is done by hansa-move-run, on whatever host and as whatever account a transport leads to.

#include "broker/ports/mover.hpp"
#include "connectors/mover/order.hpp"
#include "connectors/transport/transport.hpp"

#include <map>
#include <string>
#include <utility>

namespace hansa::connectors::mover {

struct MoverOptions {
  std::string program;                 // hansa-move-run, absolute, on the mover's host
  std::string spool;                   // a folder there that is this broker's alone; made if it is not there
  Tool tool = Tool::rclone;
  std::string tool_program;            // absolute, there
  std::map<std::pair<SiteId, domain::RootName>, Root> roots;  // as that host reaches them
  domain::Bytes most_per_second{0};    // for each transfer; 0: as fast as it goes
  LocalAccount account;                // empty: the transport's own
  Principal person;                    // for the log of the account's switch
};

/// What those options make of a transfer. invalid_argument, ROOT_UNKNOWN (they name no such root), BAD_TRANSFER.
Result<Order> order_for(domain::Transfer transfer, const MoverOptions& options);

/// Strand: the caller's.
class CommandMover final : public ports::Mover {
 public:
  /// `transport` outlives it.
  CommandMover(transport::Transport& transport, MoverOptions options) : transport_(transport), options_(std::move(options)) {}

  /// Errors beside the port's: those of order_for().
  async::Task<domain::TransferStatus> start(domain::Transfer transfer, async::Deadline deadline) override;
  async::Task<std::vector<domain::TransferStatus>> status(std::vector<domain::TransferId> ids, async::Deadline deadline) override;
  async::Task<> cancel(domain::TransferId id, async::Deadline deadline) override;
  async::Task<> forget(std::vector<domain::TransferId> ids, async::Deadline deadline) override;

 private:
  async::Task<std::vector<domain::TransferStatus>> ask(Json question, std::size_t transfers, async::Deadline deadline);

  transport::Transport& transport_;
  MoverOptions options_;
};

}  // namespace hansa::connectors::mover
