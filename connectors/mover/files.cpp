// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

namespace hansa::connectors::mover {

std::unexpected<Error> system_error(int error, const std::string& what) {
  auto kind = ErrorKind::internal;
  if (error == ENOSPC || error == EDQUOT) kind = ErrorKind::storage_full;
  if (error == EACCES || error == EPERM || error == EROFS) kind = ErrorKind::permission_denied;
  if (error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN || error == EIO) kind = ErrorKind::unavailable;
  if (error == ENOENT) kind = ErrorKind::not_found;
  return fail(kind, "MOVER_FILES", what + ": " + std::generic_category().message(error));
}

Result<Descriptor> open_or_make_folder(const std::string& path) {
  for (auto end = path.find('/', 1);; end = path.find('/', end + 1)) {
    if (::mkdir(path.substr(0, end).c_str(), 0700) != 0 && errno != EEXIST) {
      return system_error(errno, "cannot make the folder " + path.substr(0, end));
    }
    if (end == std::string::npos) break;
  }
  Descriptor folder(::open(path.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  if (!folder) return system_error(errno, "cannot open the folder " + path);
  return folder;
}

bool exists(int folder, const std::string& name) { return ::faccessat(folder, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0; }

Result<std::optional<std::string>> read_file(int folder, const std::string& name) {
  const Descriptor file(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) return system_error(errno, "cannot open " + name);
  std::string content;
  std::array<char, 16384> buffer{};
  for (;;) {
    const auto got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(errno, "cannot read " + name);
    if (got == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

Result<void> write_file(int folder, const std::string& name, std::string_view content, Keep keep) {
  // Two may write the same (a caller and a supervisor): each has a file of its own until the rename.
  const auto fresh = name + ".new." + std::to_string(::getpid());
  ::unlinkat(folder, fresh.c_str(), 0);
  const Descriptor file(::openat(folder, fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return system_error(errno, "cannot create " + fresh);
  while (!content.empty()) {
    const auto put = ::write(file.get(), content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      const int error = errno;
      ::unlinkat(folder, fresh.c_str(), 0);
      return system_error(error, "cannot write " + fresh);
    }
    content.remove_prefix(static_cast<std::size_t>(put));
  }
  const bool durable = keep == Keep::for_ever;
  if ((durable && ::fsync(file.get()) != 0) || ::renameat(folder, fresh.c_str(), folder, name.c_str()) != 0 ||
      (durable && ::fsync(folder) != 0)) {
    return system_error(errno, "cannot keep " + name);
  }
  return {};
}

Result<std::vector<std::string>> names_in(int folder) {
  Descriptor again(::openat(folder, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  if (!again) return system_error(errno, "cannot open the folder to list");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(again.get()), &::closedir);
  if (!stream) return system_error(errno, "cannot list the folder");
  (void)again.release();  // the stream's now
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const auto* entry = ::readdir(stream.get());  // NOLINT(concurrency-mt-unsafe): a stream of one thread's own
    if (entry == nullptr && errno != 0) return system_error(errno, "cannot list the folder");
    if (entry == nullptr) return names;
    std::string name = static_cast<const char*>(entry->d_name);
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
}

}  // namespace hansa::connectors::mover
