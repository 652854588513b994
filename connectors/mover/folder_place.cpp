// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/folder_place.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <system_error>

namespace hansa::connectors::mover {
namespace {

using domain::TransferEnd;

/// Of a call on something that is there.
std::unexpected<Error> trouble(int error, const std::string& what, const std::string& where) {
  const auto message = what + ": " + std::generic_category().message(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT: return stop(TransferEnd::no_space, message, where);
    case EACCES:
    case EPERM:
    case EROFS: return stop(TransferEnd::access_refused, message, where);
    case ELOOP:
    case EXDEV: return stop(TransferEnd::unsuitable_file, what + ": a link is in the way", where);
    case EIO:
    case ESTALE:
    case ENOTCONN:
    case ETIMEDOUT: return stop(TransferEnd::unreachable, message, where);
    default: return stop(TransferEnd::tool_failed, message, where);
  }
}

Result<void> remove_entry(int parent, const std::string& name, const std::string& where) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return trouble(errno, "cannot remove a file of a copy", where);
  const Descriptor folder(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return trouble(errno, "cannot remove a folder of a copy", where);
  auto names = names_in(folder.get());
  if (!names) return std::unexpected(std::move(names.error()));
  for (const auto& below : *names) {
    if (auto removed = remove_entry(folder.get(), below, where); !removed) return removed;
  }
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return trouble(errno, "cannot remove a folder of a copy", where);
  }
  return {};
}

}  // namespace

Descriptor FolderPlace::open_beneath(const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return Descriptor(static_cast<int>(::syscall(SYS_openat2, root_.get(), path.empty() ? "." : path.c_str(), &how, sizeof how)));
}

Result<FolderPlace::Entry> FolderPlace::entry_of(const std::string& path) {
  const auto slash = path.rfind('/');
  auto parent = open_beneath(slash == std::string::npos ? "" : path.substr(0, slash), O_PATH | O_DIRECTORY);
  if (!parent) return trouble(errno, "cannot open a folder beneath the root", folder_ + "/" + path);
  return Entry{.parent = std::move(parent), .name = path.substr(slash == std::string::npos ? 0 : slash + 1)};
}

Result<Kind> FolderPlace::look_at(const std::string& path) {
  const auto found = open_beneath(path, O_PATH | O_NOFOLLOW);
  if (!found && errno == ENOENT) return Kind::nothing;
  if (!found && (errno == ELOOP || errno == ENOTDIR)) return Kind::something_else;
  if (!found) return trouble(errno, "cannot look at a path beneath the root", folder_ + "/" + path);
  struct stat status{};
  if (::fstat(found.get(), &status) != 0) return trouble(errno, "cannot look at a path beneath the root", folder_ + "/" + path);
  return S_ISDIR(status.st_mode) ? Kind::folder : Kind::something_else;
}

Result<Descriptor> FolderPlace::open_folder(const std::string& path) {
  auto folder = open_beneath(path, O_RDONLY | O_DIRECTORY);
  if (!folder) return trouble(errno, "cannot open the dataset's folder", folder_ + "/" + path);
  return folder;
}

Result<FoundTree> FolderPlace::list(const std::string& path) {
  FoundTree tree;
  std::vector<std::string> ahead{""};
  while (!ahead.empty()) {
    const auto at = std::move(ahead.back());
    ahead.pop_back();
    const auto where = at.empty() ? path : path + "/" + at;
    auto folder = open_folder(where);
    if (!folder) return std::unexpected(std::move(folder.error()));
    auto names = names_in(folder->get());
    if (!names)
      return stop(TransferEnd::tool_failed, "a folder cannot be listed", folder_ + "/" + where + ": " + names.error().message);
    for (const auto& name : *names) {
      struct stat status{};
      if (::fstatat(folder->get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;  // gone meanwhile: the number of files tells
        return trouble(errno, "cannot look at a file", folder_ + "/" + where + "/" + name);
      }
      if (S_ISDIR(status.st_mode)) {
        ++tree.folders;
        ahead.push_back(joined(at, name));
      } else if (S_ISREG(status.st_mode)) {
        tree.files.push_back({.path = joined(at, name), .size = {status.st_size}});
      } else {
        return stop(TransferEnd::unsuitable_file, "the dataset has a link or a special file, which no copy of it could hold",
                    folder_ + "/" + where + "/" + name);
      }
    }
  }
  return tree;
}

Result<void> FolderPlace::read(const std::string& path, const TakeBytes& take) {
  const auto file = open_beneath(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) return trouble(errno, "cannot open a file", folder_ + "/" + path);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return stop(TransferEnd::unsuitable_file, "a file is no regular file any more", folder_ + "/" + path);
  }
  std::string buffer(std::size_t{1} << 20, '\0');
  for (;;) {
    const auto got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return trouble(errno, "cannot read a file", folder_ + "/" + path);
    if (got == 0) return {};
    if (!take(std::string_view(buffer).substr(0, static_cast<std::size_t>(got))))
      return stop(TransferEnd::cancelled, "cancelled");
  }
}

Result<FreeSpace> FolderPlace::free_space() {
  struct statvfs status{};
  if (::fstatvfs(root_.get(), &status) != 0) return trouble(errno, "cannot ask for free space", folder_);
  FreeSpace space{.bytes = {static_cast<std::int64_t>(status.f_bavail * status.f_frsize)}, .files = {}};
  if (status.f_files != 0) space.files = static_cast<std::int64_t>(status.f_favail);
  return space;
}

Result<void> FolderPlace::make_folder(const std::string& path) {
  for (auto end = path.find('/');; end = path.find('/', end + 1)) {
    const auto part = path.substr(0, end);
    auto entry = entry_of(part);
    if (!entry) return std::unexpected(std::move(entry.error()));
    const mode_t mode = part == kOwnFolder ? 0700 : 0777;  // by the umask: Readers
    if (::mkdirat(entry->parent.get(), entry->name.c_str(), mode) != 0 && errno != EEXIST) {
      return trouble(errno, "cannot make a folder", folder_ + "/" + part);
    }
    if (end == std::string::npos) return {};
  }
}

Result<std::string> FolderPlace::claim(const std::string& path, const std::string& holder) {
  auto entry = entry_of(path);
  if (!entry) return std::unexpected(std::move(entry.error()));
  if (::symlinkat(holder.c_str(), entry->parent.get(), entry->name.c_str()) == 0) return holder;
  if (errno != EEXIST) return trouble(errno, "cannot mark the destination as taken", folder_ + "/" + path);
  std::string first(256, '\0');
  const auto size = ::readlinkat(entry->parent.get(), entry->name.c_str(), first.data(), first.size());
  if (size < 0) return trouble(errno, "cannot read who has the destination", folder_ + "/" + path);
  first.resize(static_cast<std::size_t>(size));
  return first;
}

Result<void> FolderPlace::rename(const std::string& from, const std::string& to) {
  auto old_entry = entry_of(from);
  if (!old_entry) return std::unexpected(std::move(old_entry.error()));
  auto new_entry = entry_of(to);
  if (!new_entry) return std::unexpected(std::move(new_entry.error()));
  const int parent = old_entry->parent.get();
  if (::renameat2(parent, old_entry->name.c_str(), new_entry->parent.get(), new_entry->name.c_str(), RENAME_NOREPLACE) == 0)
    return {};
  // Some network file systems know no flags; what plain rename(2) replaces is an empty folder at most.
  if (errno == EINVAL && ::renameat(parent, old_entry->name.c_str(), new_entry->parent.get(), new_entry->name.c_str()) == 0)
    return {};
  if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) {
    return stop(TransferEnd::destination_exists, "something came to the destination while the copy was made", folder_ + "/" + to);
  }
  if (errno == EXDEV) {
    return stop(TransferEnd::tool_failed, "the destination is on another file system than its root: give it a root of its own",
                folder_ + "/" + to);
  }
  return trouble(errno, "cannot make the copy visible", folder_ + "/" + to);
}

Result<void> FolderPlace::remove(const std::string& path) {
  if (const auto slash = path.rfind('/'); slash != std::string::npos) {
    const auto parent = look_at(path.substr(0, slash));
    if (!parent) return std::unexpected(parent.error());
    if (*parent != Kind::folder) return {};
  }
  auto entry = entry_of(path);
  if (!entry) return std::unexpected(std::move(entry.error()));
  return remove_entry(entry->parent.get(), entry->name, folder_ + "/" + path);
}

Result<void> FolderPlace::flush() {
  if (::syncfs(root_.get()) != 0) return trouble(errno, "cannot bring the copy to the disk", folder_);
  return {};
}

Result<std::unique_ptr<Place>> open_folder_place(const FolderRoot& root) {
  Descriptor folder(::open(root.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder && (errno == ENOENT || errno == ENOTDIR)) {
    return stop(TransferEnd::unreachable, "a site's root is not there: is it mounted?", root.folder);
  }
  if (!folder) return trouble(errno, "cannot open a site's root", root.folder);
  return std::make_unique<FolderPlace>(std::move(folder), root.folder);
}

}  // namespace hansa::connectors::mover
