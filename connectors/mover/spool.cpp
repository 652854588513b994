// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/spool.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/encoding.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

namespace hansa::connectors::mover {
namespace {

using domain::TransferId;
using domain::TransferPhase;
using domain::TransferStatus;

constexpr const char* kMover = "mover";
constexpr const char* kOrder = "order.json";
constexpr const char* kProgress = "progress.json";
constexpr const char* kResult = "result.json";
constexpr const char* kCancel = "cancel";
constexpr const char* kShares = "shares";

struct flock whole_file(short type) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

Result<Descriptor> open_existing(const std::string& path) {
  Descriptor folder(::open(path.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  if (!folder) return system_error(errno, "cannot open the folder " + path);
  return folder;
}

Result<std::optional<std::string>> read_if_there(const std::string& folder, const char* name) {
  const auto opened = open_existing(folder);
  if (!opened && opened.error().kind == ErrorKind::not_found) return std::nullopt;
  if (!opened) return std::unexpected(opened.error());
  return read_file(opened->get(), name);
}

Result<std::optional<TransferStatus>> status_in(const std::string& folder, const char* name) {
  const auto text = read_if_there(folder, name);
  if (!text) return std::unexpected(text.error());
  if (!*text) return std::nullopt;
  const auto json = parse_json(**text);
  if (!json) return std::unexpected(json.error());
  auto status = domain::transfer_status_from_json(*json);
  if (!status) return std::unexpected(std::move(status.error()));
  return std::move(*status);
}

Result<void> write_status(const Taken& taken, const char* name, const TransferStatus& status, Keep keep) {
  const auto folder = open_existing(taken.folder);
  if (!folder) return std::unexpected(folder.error());
  return write_file(folder->get(), name, canonical_json(to_json(status)), keep);
}

bool is_same_work(const domain::Transfer& a, const domain::Transfer& b) { return a.content == b.content && a.to == b.to; }

}  // namespace

Result<Spool> Spool::open(const std::string& path, Random& random) {
  const bool plain = path.starts_with('/') && std::ranges::none_of(path, [](unsigned char c) {
                       return c <= ' ' || c >= 0x7f || c == '"' || c == '\'' || c == '\\';
                     });
  if (!plain)
    return fail(ErrorKind::invalid_argument, "BAD_SPOOL",
                "the spool is no absolute path without white space and quotes: " + path);
  for (const auto* below : {"/destinations", "/transfers"}) {
    if (auto made = open_or_make_folder(path + below); !made) return std::unexpected(std::move(made.error()));
  }
  const auto folder = open_existing(path);
  if (!folder) return std::unexpected(folder.error());
  for (;;) {
    auto id = read_file(folder->get(), kMover);
    if (!id) return std::unexpected(std::move(id.error()));
    if (*id && !(*id)->empty()) return Spool(path, std::move(**id));
    std::array<std::byte, 16> bytes{};
    random.fill(bytes);
    const auto name = kMover + std::string(".new.") + to_hex(bytes);
    if (auto written = write_file(folder->get(), name, to_hex(bytes), Keep::for_ever); !written) {
      return std::unexpected(std::move(written.error()));
    }
    // The first of several keeps its name: link(2) replaces nothing.
    const bool kept = ::linkat(folder->get(), name.c_str(), folder->get(), kMover, 0) == 0 || errno == EEXIST;
    const int error = errno;
    ::unlinkat(folder->get(), name.c_str(), 0);
    if (!kept || ::fsync(folder->get()) != 0) return system_error(kept ? errno : error, "cannot keep the mover's id");
  }
}

std::string Spool::lock_path(const domain::ReplicaPlace& destination) const {
  const auto key = sha256_hex(destination.site.str() + '\0' + destination.root.str() + '\0' + destination.path);
  return path_ + "/destinations/" + key.substr(0, 32);
}

Result<std::optional<Order>> Spool::order_of(const TransferId& id) const {
  const auto text = read_if_there(folder_of(id), kOrder);
  if (!text) return std::unexpected(text.error());
  if (!*text) return std::nullopt;
  auto order = order_from_json(**text);
  if (!order) return std::unexpected(std::move(order.error()));
  return std::move(*order);
}

Result<std::optional<TransferId>> Spool::shared_by(const TransferId& id) const {
  const auto text = read_if_there(folder_of(id), kShares);
  if (!text) return std::unexpected(text.error());
  return *text ? Ulid::parse(**text) : std::nullopt;
}

Result<std::optional<TransferId>> Spool::holder_of(const domain::ReplicaPlace& destination) const {
  const Descriptor file(::open(lock_path(destination).c_str(), O_RDWR | O_CLOEXEC));
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) return system_error(errno, "cannot look at a destination's lock");
  auto lock = whole_file(F_WRLCK);
  if (::fcntl(file.get(), F_OFD_GETLK, &lock) != 0) return system_error(errno, "cannot look at a destination's lock");
  if (lock.l_type == F_UNLCK) return std::nullopt;
  std::array<char, 26> id{};
  const auto got = ::pread(file.get(), id.data(), id.size(), 0);
  return Ulid::parse({id.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))}).value_or(Ulid());
}

Result<std::optional<Taken>> Spool::start(const Order& order) {
  const auto& id = order.transfer.id;
  const auto known = order_of(id);
  if (!known) return std::unexpected(known.error());
  if (*known && (*known)->transfer != order.transfer) {
    return fail(ErrorKind::conflict, "TRANSFER_ID_REUSED", "transfer " + id.str() + " is of something else");
  }
  const auto now = status(id);
  if (!now) return std::unexpected(now.error());
  if (now->phase != TransferPhase::not_seen && now->phase != TransferPhase::interrupted) return std::nullopt;
  if (auto folder = open_or_make_folder(folder_of(id)); !folder) return std::unexpected(std::move(folder.error()));
  return take(order);
}

Result<std::optional<Taken>> Spool::take(const Order& order) {
  const auto path = lock_path(order.transfer.to);
  Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return system_error(errno, "cannot open a destination's lock");
  auto wanted = whole_file(F_WRLCK);
  if (::fcntl(lock.get(), F_OFD_SETLK, &wanted) != 0) {
    if (errno != EAGAIN && errno != EACCES) return system_error(errno, "cannot lock a destination");
    return share(order);
  }
  const auto id = order.transfer.id.str();
  if (::pwrite(lock.get(), id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return system_error(errno, "cannot write a destination's lock");
  }
  Taken taken{.order = order, .folder = folder_of(order.transfer.id), .lock = std::move(lock)};
  const auto folder = open_existing(taken.folder);
  if (!folder) return std::unexpected(folder.error());
  if (exists(folder->get(), kResult)) return std::nullopt;  // it ended between the look and the lock
  ::unlinkat(folder->get(), kShares, 0);
  if (auto written = write_file(folder->get(), kOrder, canonical_json(to_json(order)), Keep::for_ever); !written) {
    return std::unexpected(std::move(written.error()));
  }
  if (auto written = record(taken, TransferPhase::preparing, {}); !written) return std::unexpected(std::move(written.error()));
  return taken;
}

Result<std::optional<Taken>> Spool::share(const Order& order) {
  const auto busy = [] {
    return fail(ErrorKind::unavailable, "DESTINATION_BUSY",
                "another transfer to the same destination is just beginning or ending: try again");
  };
  const auto holder = holder_of(order.transfer.to);
  if (!holder) return std::unexpected(holder.error());
  if (*holder == order.transfer.id) return std::nullopt;
  if (!*holder) return busy();
  const auto theirs = order_of(**holder);
  if (!theirs) return std::unexpected(theirs.error());
  if (!*theirs || !is_same_work((*theirs)->transfer, order.transfer)) return busy();
  const auto over = status_in(folder_of(**holder), kResult);
  if (!over) return std::unexpected(over.error());
  if (*over) return busy();  // it ends: how it did is its own affair
  const auto folder = open_existing(folder_of(order.transfer.id));
  if (!folder) return std::unexpected(folder.error());
  if (auto written = write_file(folder->get(), kOrder, canonical_json(to_json(order)), Keep::for_ever); !written) {
    return std::unexpected(std::move(written.error()));
  }
  if (auto written = write_file(folder->get(), kShares, (*holder)->str(), Keep::for_ever); !written) {
    return std::unexpected(std::move(written.error()));
  }
  return std::nullopt;
}

Result<TransferStatus> Spool::status(const TransferId& id) const {
  const auto folder = folder_of(id);
  auto result = status_in(folder, kResult);
  if (!result) return std::unexpected(std::move(result.error()));
  if (*result) return std::move(**result);
  const auto order = order_of(id);
  if (!order) return std::unexpected(order.error());
  TransferStatus status{.id = id, .moved_by = id, .phase = TransferPhase::not_seen, .progress = {}, .outcome = {}};
  if (!*order) return status;

  const auto other = shared_by(id);
  if (!other) return std::unexpected(other.error());
  if (*other && **other != id) {
    auto theirs = this->status(**other);
    if (!theirs) return theirs;
    theirs->id = id;
    if (theirs->phase == TransferPhase::not_seen) theirs->phase = TransferPhase::interrupted;
    return theirs;
  }

  const auto holder = holder_of((*order)->transfer.to);
  if (!holder) return std::unexpected(holder.error());
  auto progress = status_in(folder, kProgress);
  if (progress && *progress) status = std::move(**progress);
  if (*holder == id) return status;
  // Nobody is at it: it ended this moment, or it was interrupted.
  result = status_in(folder, kResult);
  if (result && *result) return std::move(**result);
  status.phase = TransferPhase::interrupted;
  return status;
}

Result<std::optional<Taken>> Spool::cancel(const TransferId& id, UtcTime now) {
  const auto order = order_of(id);
  if (!order) return std::unexpected(order.error());
  if (!*order) return fail(ErrorKind::not_found, "TRANSFER_NOT_FOUND", "there is no transfer " + id.str() + " here");
  const auto status_now = status(id);
  if (!status_now) return std::unexpected(status_now.error());
  if (status_now->phase == TransferPhase::ended) return std::nullopt;

  const auto other = shared_by(id);
  if (!other) return std::unexpected(other.error());
  if (*other) {
    const Taken mine{.order = **order, .folder = folder_of(id), .lock = {}};
    const domain::TransferOutcome outcome{.end = domain::TransferEnd::cancelled, .message = "cancelled", .detail = {}, .at = now};
    if (auto written = record(mine, status_now->progress, outcome); !written) return std::unexpected(std::move(written.error()));
    return std::nullopt;
  }
  const auto folder = open_existing(folder_of(id));
  if (!folder) return std::unexpected(folder.error());
  if (auto written = write_file(folder->get(), kCancel, "", Keep::for_ever); !written)
    return std::unexpected(std::move(written.error()));
  if (status_now->phase != TransferPhase::interrupted) return std::nullopt;
  return take(**order);
}

Result<void> Spool::forget(const TransferId& id) {
  const auto now = status(id);
  if (!now) return std::unexpected(now.error());
  if (now->phase != TransferPhase::ended) return {};
  std::error_code error;
  std::filesystem::remove_all(folder_of(id), error);
  if (error) return system_error(error.value(), "cannot forget transfer " + id.str());
  return {};
}

Result<void> Spool::record(const Taken& taken, TransferPhase phase, const domain::TransferProgress& progress) {
  const auto& id = taken.order.transfer.id;
  return write_status(taken, kProgress, {.id = id, .moved_by = id, .phase = phase, .progress = progress, .outcome = {}},
                      Keep::until_the_power_fails);
}

Result<void> Spool::record(const Taken& taken, const domain::TransferProgress& progress, const domain::TransferOutcome& outcome) {
  const auto& id = taken.order.transfer.id;
  return write_status(taken, kResult,
                      {.id = id, .moved_by = id, .phase = TransferPhase::ended, .progress = progress, .outcome = outcome},
                      Keep::for_ever);
}

bool Spool::is_cancelled(const Taken& taken) { return ::access((taken.folder + "/" + kCancel).c_str(), F_OK) == 0; }

}  // namespace hansa::connectors::mover
