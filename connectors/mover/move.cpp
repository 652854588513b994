// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/move.hpp"

#include "broker/core/digest.hpp"
#include "connectors/mover/place.hpp"
#include "connectors/mover/tool.hpp"

#include <fcntl.h>

#include <algorithm>
#include <map>

namespace hansa::connectors::mover {
namespace {

using domain::Bytes;
using domain::TransferEnd;
using domain::TransferPhase;

constexpr std::size_t kKeyLength = 32;
constexpr std::size_t kHashLength = 16;

std::string amount(const domain::Content& content) {
  return std::to_string(content.files) + " files, " + std::to_string(content.size.value) + " bytes";
}

/// Whether what has been copied is of use to a later transfer of the same.
bool is_worth_keeping(TransferEnd end) {
  return end == TransferEnd::unreachable || end == TransferEnd::access_refused || end == TransferEnd::tool_failed;
}

class Move {
 public:
  Move(const Order& order, const Workplace& workplace, const Clock& clock, Watch& watch)
      : order_(order), content_(order.transfer.content), workplace_(workplace), clock_(clock), watch_(watch) {
    const auto key = sha256_hex(order.transfer.to.path).substr(0, kKeyLength);
    mark_ = std::string(kOwnFolder) + "/" + key + ".mover";
    copies_ = std::string(kOwnFolder) + "/" + key + ".copy";
    copy_ = copies_ + "/" + content_.hash.str().substr(0, kHashLength);
  }

  domain::TransferOutcome run() {
    const auto done = in_order();
    if (done) return {.end = TransferEnd::moved, .message = {}, .detail = {}, .at = clock_.now_utc()};
    const auto& error = done.error();
    domain::TransferOutcome outcome{.end = domain::parse_transfer_end(error.code).value_or(TransferEnd::tool_failed),
                                    .message = error.message,
                                    .detail = error.detail,
                                    .at = clock_.now_utc()};
    const bool leave = is_worth_keeping(outcome.end) || !(marked_ || outcome.end == TransferEnd::cancelled);
    if (leave) return outcome;
    if (auto discarded = discard(); !discarded) {
      outcome.detail += "; what was copied stays: " + discarded.error().message + " (" + discarded.error().detail + ")";
    }
    return outcome;
  }

 private:
  Result<void> in_order() {
    using Step = Result<void> (Move::*)();
    for (const Step step : {&Move::open_ends, &Move::look_at_destination, &Move::look_at_source, &Move::look_for_room,
                            &Move::take_destination, &Move::copy, &Move::verify, &Move::publish}) {
      if (watch_.is_cancelled()) return stop(TransferEnd::cancelled, "cancelled");
      if (auto done = (this->*step)(); !done || is_there_) return done;
    }
    return {};
  }

  void tell(TransferPhase phase) { watch_.tell(phase, progress_); }

  Result<void> open_ends() {
    tell(TransferPhase::preparing);
    if (auto opened = open_destination(); !opened) return opened;
    auto source = open_place(order_.from, order_.program);
    if (!source) return std::unexpected(std::move(source.error()));
    source_ = std::move(*source);
    return {};
  }

  /// Anew after each long step: a connection that nothing goes over is not kept by everybody.
  Result<void> open_destination() {
    destination_.reset();
    auto destination = open_place(order_.to, order_.program);
    if (!destination) return std::unexpected(std::move(destination.error()));
    destination_ = std::move(*destination);
    return {};
  }

  /// The dataset may be there: a mover that was killed between its last two steps, or somebody without us.
  Result<void> look_at_destination() {
    const auto kind = destination_->look_at(order_.transfer.to.path);
    if (!kind) return std::unexpected(kind.error());
    if (*kind == Kind::nothing) return {};
    const auto other = [] {
      return stop(TransferEnd::destination_exists,
                  "something else than this dataset is at the destination: look at it, and remove it or choose another path");
    };
    if (*kind != Kind::folder) return other();
    const auto there = measured(order_.transfer.to.path);
    if (!there && there.error().code != to_string(TransferEnd::unsuitable_file)) return std::unexpected(there.error());
    if (!there || *there != content_) return other();
    is_there_ = true;
    progress_.bytes = content_.size;
    progress_.files = content_.files;
    return discard();
  }

  Result<void> look_at_source() {
    const auto& path = order_.transfer.from.path;
    const auto kind = source_->look_at(path);
    if (!kind) return std::unexpected(kind.error());
    if (*kind != Kind::folder) {
      return stop(TransferEnd::source_missing,
                  "the replica to copy from is not there: the register knows one that somebody has moved or removed");
    }
    auto tree = source_->list(path);
    if (!tree) return std::unexpected(std::move(tree.error()));
    domain::Content found{.size = {0}, .files = static_cast<std::int64_t>(tree->files.size()), .hash = {}};
    for (const auto& file : tree->files) found.size += file.size;
    if (found.size != content_.size || found.files != content_.files) {
      return stop(TransferEnd::source_differs,
                  "the replica to copy from has " + amount(found) + "; the dataset is " + amount(content_));
    }
    tree_ = std::move(*tree);
    return look_at_names();
  }

  Result<void> look_at_names() {
    const auto odd =
        std::ranges::find_if(tree_.files, [&](const FoundFile& file) { return !keeps_name(order_.tool, file.path); });
    if (odd == tree_.files.end()) return {};
    return stop(
        TransferEnd::unsuitable_file,
        "the dataset has a name that rclone would change (control characters, not UTF-8): rename it, or let rsync move it",
        order_.transfer.from.path + "/" + odd->path);
  }

  Result<void> look_for_room() {
    const auto& room = order_.transfer.room;
    const auto inodes = content_.files + tree_.folders + 1;
    if (room.bytes && content_.size > *room.bytes) {
      return stop(TransferEnd::quota_bytes,
                  "the quota leaves " + std::to_string(room.bytes->value) + " bytes; the dataset is " + amount(content_));
    }
    if (room.files && inodes > *room.files) {
      return stop(TransferEnd::quota_files,
                  "the quota leaves " + std::to_string(*room.files) + " inodes; the dataset takes " + std::to_string(inodes));
    }
    const auto staged = what_is_staged();
    if (!staged) return std::unexpected(staged.error());
    const auto space = destination_->free_space();
    if (!space) return std::unexpected(space.error());
    if (content_.size - *staged > space->bytes || (space->files && content_.files - progress_.files > *space->files)) {
      marked_ = true;  // what an earlier transfer has left must not keep the disk full
      return stop(TransferEnd::no_space, "the destination has " + std::to_string(space->bytes.value) + " bytes free" +
                                             (space->files ? " and " + std::to_string(*space->files) + " inodes" : "") +
                                             "; the dataset is " + amount(content_));
    }
    return {};
  }

  /// Bytes of the copy so far; whole files of it count as progress.
  Result<Bytes> what_is_staged() {
    const auto kind = destination_->look_at(copy_);
    if (!kind) return std::unexpected(kind.error());
    if (*kind != Kind::folder) return Bytes{0};
    const auto found = destination_->list(copy_);
    if (!found) {
      marked_ = found.error().code == to_string(TransferEnd::unsuitable_file);  // of no use to anybody: discard() takes it away
      return std::unexpected(found.error());
    }
    std::map<std::string_view, Bytes> wanted;
    for (const auto& file : tree_.files) wanted.emplace(file.path, file.size);
    Bytes staged{0};
    for (const auto& file : found->files) {
      staged += file.size;
      const auto at = wanted.find(file.path);
      if (at == wanted.end() || at->second != file.size) continue;
      progress_.bytes += file.size;
      ++progress_.files;
    }
    return staged;
  }

  Result<void> take_destination() {
    if (auto made = destination_->make_folder(std::string(kOwnFolder)); !made) return made;
    const auto holder = destination_->claim(mark_, workplace_.mover);
    if (!holder) return std::unexpected(holder.error());
    if (*holder != workplace_.mover) {
      return stop(TransferEnd::moved_elsewhere,
                  "another mover is at this destination. If it is gone for good, remove its mark and what it has copied",
                  mark_ + " and " + copies_ + " beneath the root; the mark names " + *holder);
    }
    marked_ = true;
    return destination_->make_folder(copy_);
  }

  Result<void> copy() {
    const auto from = source_->open_folder(order_.transfer.from.path);
    if (!from) return std::unexpected(from.error());
    const auto to = destination_->open_folder(copy_);
    if (!to) return std::unexpected(to.error());
    const auto configuration = write_ssh_config();
    if (!configuration) return std::unexpected(configuration.error());

    ToolOutput output(order_.tool);
    const auto before = progress_;
    const auto began = clock_.now_monotonic();
    const auto go_on = [&] {
      progress_.bytes = std::max(progress_.bytes, std::min(content_.size, before.bytes + Bytes{output.bytes()}));
      progress_.files = std::max(progress_.files, std::min(content_.files, before.files + output.files()));
      const auto elapsed_ms = static_cast<double>(std::max<std::int64_t>(1, (clock_.now_monotonic() - began).count()));
      progress_.per_second = {
          static_cast<std::int64_t>(static_cast<double>((progress_.bytes - before.bytes).value) * 1000 / elapsed_ms)};
      tell(TransferPhase::copying);
      return !watch_.is_cancelled();
    };
    const OpenEnds ends{.source = from->get(), .destination = to->get(), .lock = workplace_.lock};
    const auto end = run_tool(call_of(order_, copy_, *configuration), ends, output, clock_, go_on);
    if (!end) return std::unexpected(end.error());
    progress_.sent = {output.sent()};
    tell(TransferPhase::copying);
    if (end->stopped) return stop(TransferEnd::cancelled, "cancelled");
    if (end->exit_status == 0) return {};
    return why_it_failed(*end, output);
  }

  Result<std::string> write_ssh_config() {
    const auto* remote = std::get_if<SftpRoot>(&order_.to);
    if (remote == nullptr) remote = std::get_if<SftpRoot>(&order_.from);
    if (order_.tool != Tool::rsync || remote == nullptr) return "/dev/null";
    const auto folder = open_or_make_folder(workplace_.folder);
    if (!folder) return std::unexpected(folder.error());
    constexpr const char* kName = "ssh_config";
    if (auto written = write_file(folder->get(), kName, ssh_config_of(*remote), Keep::until_the_power_fails); !written) {
      return std::unexpected(std::move(written.error()));
    }
    return workplace_.folder + "/" + kName;
  }

  /// The tools' exit codes tell little; both ends are looked at again.
  Result<void> why_it_failed(const ToolEnd& end, const ToolOutput& output) {
    const auto how =
        end.exit_status ? "exit status " + std::to_string(*end.exit_status) : "signal " + std::to_string(end.signal.value_or(0));
    auto detail = how + ": " + output.complaints();
    if (auto opened = open_destination(); !opened) return opened;
    if (auto source = open_place(order_.from, order_.program); !source) return std::unexpected(std::move(source.error()));
    const auto space = destination_->free_space();
    if (!space) return std::unexpected(space.error());
    auto missing = content_.size;  // of what is there; a tool counts what it read, and has lost it again
    if (const auto there = destination_->list(copy_)) {
      for (const auto& file : there->files) missing = missing - file.size;
    }
    if (detail.contains("No space left on device") || detail.contains("no space left on device") ||
        detail.contains("uota exceeded") || missing > space->bytes || (space->files && *space->files == 0)) {
      return stop(TransferEnd::no_space, "the destination is full, or its file system's quota is", std::move(detail));
    }
    return stop(TransferEnd::tool_failed, "the copying program failed (" + how + "): the broker's log has its words",
                std::move(detail));
  }

  Result<void> verify() {
    if (auto opened = open_destination(); !opened) return opened;
    if (auto flushed = destination_->flush(); !flushed) return flushed;
    const auto arrived = measured(copy_);
    if (!arrived) return std::unexpected(arrived.error());
    if (*arrived == content_) return {};
    return stop(TransferEnd::checksum_mismatch, "what arrived is not the dataset: " + amount(*arrived) + ", manifest " +
                                                    arrived->hash.str() + "; the register says " + amount(content_) +
                                                    ", manifest " + content_.hash.str());
  }

  Result<domain::Content> measured(const std::string& path) {
    progress_.verified = {0};
    return measure(*destination_, path, [this](Bytes read) {
      progress_.verified += read;
      tell(TransferPhase::verifying);
      return !watch_.is_cancelled();
    });
  }

  Result<void> publish() {
    const auto& path = order_.transfer.to.path;
    if (const auto slash = path.rfind('/'); slash != std::string::npos) {
      if (auto made = destination_->make_folder(path.substr(0, slash)); !made) return made;
    }
    if (auto renamed = destination_->rename(copy_, path); !renamed) return renamed;
    progress_.bytes = content_.size;
    progress_.files = content_.files;
    tell(TransferPhase::verifying);
    if (auto flushed = destination_->flush(); !flushed) return flushed;
    return discard();
  }

  /// What is ours in the mover's folder; never another's.
  Result<void> discard() {
    if (!destination_) {
      if (auto opened = open_destination(); !opened) return opened;
    }
    const auto own = destination_->look_at(std::string(kOwnFolder));
    if (!own || *own != Kind::folder) return own ? Result<void>() : std::unexpected(own.error());
    const auto holder = destination_->claim(mark_, workplace_.mover);
    if (!holder) return std::unexpected(holder.error());
    if (*holder != workplace_.mover) return {};
    if (auto removed = destination_->remove(copies_); !removed) return removed;
    return destination_->remove(mark_);
  }

  const Order& order_;
  const domain::Content& content_;
  const Workplace& workplace_;
  const Clock& clock_;
  Watch& watch_;
  std::string mark_;
  std::string copies_;
  std::string copy_;
  std::unique_ptr<Place> source_;
  std::unique_ptr<Place> destination_;
  FoundTree tree_;
  domain::TransferProgress progress_;
  bool marked_ = false;  // the destination is ours
  bool is_there_ = false;  // the dataset was there already
};

}  // namespace

domain::TransferOutcome move(const Order& order, const Workplace& workplace, const Clock& clock, Watch& watch) {
  return Move(order, workplace, clock, watch).run();
}

}  // namespace hansa::connectors::mover
