// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a dataset gets from one site's folder of replicas to another's. A transfer is a thing of its own that outlives the broker:
// the broker makes its id and keeps it before it calls start(), and finds the transfer again by that id whatever died meanwhile.
//
// Called on the engine's strand; an implementation returns there. Every call may be repeated. Errors, all calls: unavailable (the
// host that moves cannot be asked, or is busy with the same destination for somebody else), deadline_exceeded, permission_denied,
// invalid_argument, storage_full (of the mover's own records), internal. What becomes of a transfer is never an Error: it is a
// domain::TransferOutcome.

#include "broker/async/deadline.hpp"
#include "broker/async/task.hpp"
#include "broker/domain/transfer.hpp"

#include <vector>

namespace hansa::ports {

class Mover {
 public:
  virtual ~Mover() = default;

  /// Begins it, or goes on with it where it was interrupted; changes nothing of one that runs or has ended. Two with the same
  /// dataset and destination are one: the second is told of the first and shares its end. A new transfer takes over what an
  /// ended one has left for it. Conflict, TRANSFER_ID_REUSED: the id is another transfer's.
  virtual async::Task<domain::TransferStatus> start(domain::Transfer transfer, async::Deadline deadline) = 0;

  /// One answer for each, in the order asked; a constant number of calls to the mover's host.
  virtual async::Task<std::vector<domain::TransferStatus>> status(std::vector<domain::TransferId> ids,
                                                                  async::Deadline deadline) = 0;

  /// Asks for its end; status() tells when it has come, and `moved` if it was too late. For one that shares another's work it
  /// ends the sharing. not_found, TRANSFER_NOT_FOUND.
  virtual async::Task<> cancel(domain::TransferId id, async::Deadline deadline) = 0;

  /// The broker has stored how these ended, and the mover may forget them; what has not ended stays.
  virtual async::Task<> forget(std::vector<domain::TransferId> ids, async::Deadline deadline) = 0;
};

}  // namespace hansa::ports
