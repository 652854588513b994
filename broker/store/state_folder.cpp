// SPDX-License-Identifier: Apache-2.0
#include "broker/store/state_folder.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>

namespace hansa::store {
namespace {

constexpr int kPatience = 20;  // tries
constexpr int kPauseMs = 100;  // between two

/// The process's number, or "".
std::string read_holder(int descriptor) {
  std::array<char, 32> text{};
  const auto size = ::pread(descriptor, text.data(), text.size() - 1, 0);
  std::string holder(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  holder.erase(std::min(holder.find_first_not_of("0123456789"), holder.size()));
  return holder;
}

bool is_dead(const std::string& holder) {
  pid_t process = 0;
  const auto [end, error] = std::from_chars(holder.data(), holder.data() + holder.size(), process);
  return error == std::errc{} && process > 0 && ::kill(process, 0) != 0 && errno == ESRCH;
}

/// EWOULDBLOCK: somebody has it. A broker that was killed as it started a program has left a child that is not that program yet
/// and holds the lock until it is.
int lock_now_or_soon(int descriptor) {
  for (int tries = 0;; ++tries) {
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return 0;
    if (errno != EWOULDBLOCK || tries == kPatience || !is_dead(read_holder(descriptor))) return errno;
    ::poll(nullptr, 0, kPauseMs);  // a process that is starting: there is no scheduler yet
  }
}

std::unexpected<Error> unusable(const std::filesystem::path& path, const std::string& what, int system_error) {
  return fail(ErrorKind::internal, "STATE_DIR_UNUSABLE",
              path.string() + ": " + what + (system_error == 0 ? "" : ": " + std::string(std::strerror(system_error))));
}

}  // namespace

StateLock::~StateLock() {
  if (descriptor_ >= 0) ::close(descriptor_);  // and with it the lock; the file stays, so that nobody locks a removed one
}

Result<StateLock> StateLock::take(const std::filesystem::path& folder) {
  const auto path = folder / "lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return unusable(path, "cannot be opened", errno);
  StateLock lock(descriptor);
  if (const int trouble = lock_now_or_soon(descriptor); trouble != 0) {
    if (trouble != EWOULDBLOCK) return unusable(path, "cannot be locked", trouble);
    const auto holder = read_holder(descriptor);
    return fail(ErrorKind::conflict, "STATE_LOCKED",
                folder.string() + " is in use by " + (holder.empty() ? "an unknown process" : "process " + holder) +
                    ": stop that broker first, or give this one a state_dir and a store.url of its own");
  }
  const auto holder = std::to_string(::getpid()) + "\n";
  // The number is for people. A full disk must not keep a broker from starting.
  [[maybe_unused]] const bool noted = ::ftruncate(descriptor, 0) == 0 && ::pwrite(descriptor, holder.data(), holder.size(), 0) ==
                                                                             static_cast<ssize_t>(holder.size());
  return lock;
}

bool is_remote_file_system(long magic) {
  constexpr unsigned long kRemote[] = {
      0x6969,      // NFS
      0x517B,      // SMB
      0xFF534D42,  // CIFS
      0xFE534D42,  // SMB 2
      0x65735546,  // FUSE: sshfs, and others that are no better at fsync
      0x01021997,  // 9p
      0x5346414F,  // AFS
      0x6B414653,  // kAFS
      0x00C36400,  // Ceph
      0x0BD00BD0,  // Lustre
      0x47504653,  // GPFS
      0x19830326,  // BeeGFS
      0x73757245,  // Coda
      0x01161970,  // GFS2
      0x7461636F,  // OCFS2
      0xAAD7AAEA,  // PanFS
      0x564C,      // NCP
  };
  for (const auto remote : kRemote) {
    if (static_cast<unsigned long>(magic) == remote) return true;
  }
  return false;
}

Result<void> check_folder(const std::filesystem::path& folder) {
  struct stat about{};
  if (::stat(folder.c_str(), &about) != 0) return unusable(folder, "cannot be used as a state folder", errno);
  if (!S_ISDIR(about.st_mode)) return unusable(folder, "is not a folder", 0);
  if (::faccessat(AT_FDCWD, folder.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
    return unusable(folder, "the broker's account (uid " + std::to_string(::geteuid()) + ") must be able to read and write it",
                    errno);
  }
  struct statfs system{};
  if (::statfs(folder.c_str(), &system) != 0) return unusable(folder, "its file system cannot be examined", errno);
  if (is_remote_file_system(static_cast<long>(system.f_type))) {
    return fail(ErrorKind::internal, "STATE_DIR_REMOTE",
                folder.string() +
                    " is on a network or FUSE file system, where SQLite's locks and write-ahead log are not safe: "
                    "put state_dir on a disk of this machine");
  }
  return {};
}

Result<void> create_private_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor >= 0)
    ::close(descriptor);
  else if (errno != EEXIST)
    return unusable(path, "cannot be made", errno);
  return {};
}

}  // namespace hansa::store
