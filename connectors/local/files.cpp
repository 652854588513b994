// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

namespace hansa::connectors::local {

std::unexpected<Error> system_error(int error, const std::string& what) {
  auto kind = ErrorKind::internal;
  if (error == ENOSPC || error == EDQUOT) kind = ErrorKind::storage_full;
  if (error == EACCES || error == EPERM || error == EROFS) kind = ErrorKind::permission_denied;
  if (error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN || error == EIO) kind = ErrorKind::unavailable;
  if (error == ENXIO) kind = ErrorKind::permission_denied;  // a socket: nobody may open one
  if (error == ENOENT || error == ENOTDIR) kind = ErrorKind::not_found;
  if (error == ELOOP) kind = ErrorKind::conflict;
  return fail(kind, "LOCAL_FILES", what + ": " + std::generic_category().message(error));
}

Result<Descriptor> open_directory(const std::string& path) {
  Descriptor directory(::open(path.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  if (!directory) return system_error(errno, "cannot open the folder " + path);
  return directory;
}

Result<void> make_directories(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    if (::mkdir(path.substr(0, end).c_str(), 0700) != 0 && errno != EEXIST) {
      return system_error(errno, "cannot make the folder " + path.substr(0, end));
    }
    if (end == std::string::npos) return {};
  }
}

Result<std::string> read_file(int directory, const std::string& name, std::size_t limit) {
  const Descriptor file(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file) return system_error(errno, "cannot open " + name);
  std::string content;
  std::array<char, 16384> buffer{};
  while (content.size() < limit) {
    const auto got = ::read(file.get(), buffer.data(), std::min(buffer.size(), limit - content.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(errno, "cannot read " + name);
    if (got == 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return content;
}

Result<void> append(const Descriptor& file, std::string_view content) {
  while (!content.empty()) {
    const auto put = ::write(file.get(), content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error(errno, "cannot write");
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Result<void> write_file(int directory, const std::string& name, std::string_view content, mode_t mode) {
  const auto fresh = name + ".new";
  ::unlinkat(directory, fresh.c_str(), 0);
  const Descriptor file(::openat(directory, fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!file) return system_error(errno, "cannot create " + fresh);
  if (auto written = append(file, content); !written) return written;
  if (::fsync(file.get()) != 0 || ::renameat(directory, fresh.c_str(), directory, name.c_str()) != 0 || ::fsync(directory) != 0) {
    return system_error(errno, "cannot keep " + name);
  }
  return {};
}

bool exists(int directory, const std::string& name) {
  return ::faccessat(directory, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<std::vector<std::string>> list_directory(int directory) {
  Descriptor again(::openat(directory, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  if (!again) return system_error(errno, "cannot open the folder to list");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(again.get()), &::closedir);
  if (!stream) return system_error(errno, "cannot list the folder");
  (void)again.release();  // the stream's now
  std::vector<std::string> names;
  while (const auto* entry = ::readdir(stream.get())) {  // a stream is used by one thread: readdir is safe
    std::string name = static_cast<const char*>(entry->d_name);
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  return names;
}

Result<Descriptor> open_beneath(int root, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  how.mode = (flags & O_CREAT) != 0 ? 0600U : 0U;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  Descriptor file(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
  if (!file) return system_error(errno, "cannot open " + path + " beneath the work folder");
  return file;
}

Result<bool> try_lock(const Descriptor& file) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return system_error(errno, "cannot lock");
}

}  // namespace hansa::connectors::local
