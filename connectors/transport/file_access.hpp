// SPDX-License-Identifier: Apache-2.0
#pragma once
// A few file operations at a site, as the account, each one command of coreutils 9 under LC_ALL=C: no shell, and nothing done
// with rights that the account has not.
//
// Paths are absolute or beneath the account's home; they may begin with "-" and hold anything but NUL. Errors: not_found,
// permission_denied, storage_full (quota too), those of the transport, and internal with the program's words in `detail`. A
// change that was cut is unknown_outcome, and all of them may be repeated; a question that was cut is deadline_exceeded or
// cancelled.

#include "connectors/transport/transport.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hansa::connectors::transport {

struct LinkOutcome {
  bool created = false;
  std::string target;  // where the link leads: as asked, or as somebody made it before
};

/// What is at a path itself: a symbolic link is told, not followed.
struct Seen {
  enum class Kind { file, folder, link, special } kind = Kind::file;
  std::uint64_t size = 0;
  std::string version;  // another one after every change of the file
};

class FilesAt {
 public:
  /// `transport` outlives it.
  FilesAt(Transport& transport, LocalAccount account, Principal person, std::string tag);

  /// With the folders above them; new ones with mode 0700 (those above by the umask). One that exists stays as it is. An error
  /// names the first; some may have been made.
  async::Task<void> make_directories(std::vector<std::string> paths, async::Deadline deadline) const;

  /// One symbolic link, in one step that only one can win. An existing link is neither followed nor replaced: its target is told.
  /// conflict if something else than a link is there.
  async::Task<LinkOutcome> make_link(std::string target, std::string path, async::Deadline deadline) const;

  /// The target of a link, or nothing if there is no such file. conflict if it is no link.
  async::Task<std::optional<std::string>> read_link(std::string path, async::Deadline deadline) const;

  /// At most `count` bytes from `offset` on (none past the end), or nothing if there is no such file. A symbolic link is refused.
  async::Task<std::optional<std::string>> read_range(std::string path, std::uint64_t offset, std::size_t count,
                                                     async::Deadline deadline) const;

  /// These bytes from `offset` on, in a file that is made if need be (by the umask). At 0 what it held before is gone. With
  /// `last` all of it is on the disk.
  async::Task<void> write_at(std::string path, std::uint64_t offset, std::string bytes, bool last,
                             async::Deadline deadline) const;

  /// Nothing is left in the file. One that is not there is not made; a symbolic link is refused.
  async::Task<void> empty_file(std::string path, async::Deadline deadline) const;

  /// The SHA-256 of a file, hex.
  async::Task<std::string> sha256(std::string path, async::Deadline deadline) const;

  /// Over whatever file is at `to`.
  async::Task<void> rename(std::string from, std::string to, async::Deadline deadline) const;

  /// What is at each of these paths, none for what is not there. One command for some hundred paths.
  async::Task<std::map<std::string, Seen>> look(std::vector<std::string> paths, async::Deadline deadline) const;

 private:
  async::Task<CommandResult> ask(Command question, async::Deadline deadline) const;
  async::Task<void> change(Command change, std::string what, std::string path, async::Deadline deadline) const;
  [[nodiscard]] Command command(std::string program, std::vector<std::string> arguments) const;

  Transport& transport_;
  LocalAccount account_;
  Principal person_;
  std::string tag_;
};

}  // namespace hansa::connectors::transport
