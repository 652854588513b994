// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a mover knows of its transfers, as files; whoever holds a destination's lock is at its transfer. Blocking.
//
//   mover                        this mover's id: who it is beneath the roots of destinations
//   destinations/<key>           a lock (fcntl, of the open file: its supervisor's and the tool's) that names the transfer of its
//   holder transfers/<id>/
//     order.json                 what start() was told
//     progress.json              the supervisor's word, every half second
//     result.json                how it ended; with it the transfer is over
//     cancel                     its end was asked for
//     shares                     the id of another transfer with the same dataset and destination, which moves the bytes

#include "broker/core/clock.hpp"
#include "connectors/mover/files.hpp"
#include "connectors/mover/order.hpp"

#include <optional>
#include <string>

namespace hansa::connectors::mover {

/// A transfer that nobody is at, and the right to be at it.
struct Taken {
  Order order;
  std::string folder;  // the transfer's
  Descriptor lock;
};

class Spool {
 public:
  /// `path` is absolute and without white space or quotes: it goes into rsync's "-e". Made if it is not there.
  static Result<Spool> open(const std::string& path, Random& random);

  [[nodiscard]] const std::string& mover() const { return mover_; }

  /// The transfer, to be supervised by the caller, or nothing: somebody is at it, or at another one that does the same, or it has
  /// ended. conflict, TRANSFER_ID_REUSED; unavailable, DESTINATION_BUSY.
  Result<std::optional<Taken>> start(const Order& order);

  Result<domain::TransferStatus> status(const domain::TransferId& id) const;

  /// As start(): one that nobody is at must be supervised to its cancelled end. not_found, TRANSFER_NOT_FOUND.
  Result<std::optional<Taken>> cancel(const domain::TransferId& id, UtcTime now);

  /// Nothing of one that has not ended.
  Result<void> forget(const domain::TransferId& id);

  // The supervisor's.
  static Result<void> record(const Taken& taken, domain::TransferPhase phase, const domain::TransferProgress& progress);
  static Result<void> record(const Taken& taken, const domain::TransferProgress& progress,
                             const domain::TransferOutcome& outcome);
  static bool is_cancelled(const Taken& taken);

 private:
  Spool(std::string path, std::string mover) : path_(std::move(path)), mover_(std::move(mover)) {}

  [[nodiscard]] std::string folder_of(const domain::TransferId& id) const { return path_ + "/transfers/" + id.str(); }
  [[nodiscard]] std::string lock_path(const domain::ReplicaPlace& destination) const;
  [[nodiscard]] Result<std::optional<Order>> order_of(const domain::TransferId& id) const;
  [[nodiscard]] Result<std::optional<domain::TransferId>> shared_by(const domain::TransferId& id) const;
  /// Who is at this destination: none, if it is free.
  [[nodiscard]] Result<std::optional<domain::TransferId>> holder_of(const domain::ReplicaPlace& destination) const;
  Result<std::optional<Taken>> take(const Order& order);
  Result<std::optional<Taken>> share(const Order& order);

  std::string path_;
  std::string mover_;
};

}  // namespace hansa::connectors::mover
