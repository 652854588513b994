// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/memory_folder.hpp"

#include "broker/core/descriptor.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

namespace hansa::connectors::remote {

namespace {

constexpr std::string_view kPublicKey = ".pub";
constexpr std::string_view kCertificate = "-cert.pub";
constexpr std::size_t kMostBytes = std::size_t{64} << 10;

std::string said(int number) { return std::generic_category().message(number); }

std::unexpected<Error> refused(const std::string& path, const std::string& why) {
  return fail(ErrorKind::invalid_argument, "BAD_MEMORY_FOLDER",
              path + " " + why + ": name a folder in memory (tmpfs) that the broker's account may write to as memory_dir");
}

std::unexpected<Error> not_written(const std::string& path, int number) {
  return fail(ErrorKind::unavailable, "NO_MEMORY_FILE", "cannot write " + path + ": " + said(number));
}

Result<void> write_file(const std::string& path, std::string_view text) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return not_written(path, errno);
  while (!text.empty()) {
    const auto count = ::write(file.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return not_written(path, errno);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace

KeyFiles::~KeyFiles() {
  ::unlink(key_.c_str());
  for (const auto end : {kPublicKey, kCertificate}) ::unlink((key_ + std::string(end)).c_str());
}

Result<MemoryFolder> MemoryFolder::open(const std::string& parent, const std::string& name) {
  const auto path = parent + "/" + name;
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return refused(path, "cannot be made (" + said(errno) + ")");
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return refused(path, "is no folder of ours (" + said(errno) + ")");
  struct statfs system{};
  struct stat facts{};
  if (::fstatfs(folder.get(), &system) != 0 || ::fstat(folder.get(), &facts) != 0) return refused(path, "cannot be looked at");
  if (system.f_type != TMPFS_MAGIC && system.f_type != RAMFS_MAGIC) {
    ::rmdir(path.c_str());
    return refused(path, "is not in memory, and private keys are not to reach a disk");
  }
  if (facts.st_uid != ::geteuid() || (facts.st_mode & 07777U) != 0700)
    return refused(path, "is somebody else's, or open to others");
  std::error_code failed;
  for (const auto& left : std::filesystem::directory_iterator(path, failed)) ::unlink(left.path().c_str());
  return MemoryFolder(path);
}

std::unique_ptr<KeyFiles> MemoryFolder::new_pair() {
  return std::make_unique<KeyFiles>(path_ + "/" + std::to_string(++written_));
}

Result<std::unique_ptr<KeyFiles>> MemoryFolder::write(const Credential& credential) {
  auto files = new_pair();
  if (auto done = write_file(files->key(), credential.private_key.reveal()); !done) return std::unexpected(done.error());
  if (auto done = write_file(files->key() + std::string(kCertificate), credential.certificate.line + "\n"); !done)
    return std::unexpected(done.error());
  return files;
}

Result<std::string> read_memory_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  ::unlink(path.c_str());
  std::string text(kMostBytes, '\0');
  const auto count = file ? ::read(file.get(), text.data(), text.size()) : -1;
  if (count <= 0) return fail(ErrorKind::unavailable, "NO_MEMORY_FILE", path + " cannot be read: " + said(errno));
  text.resize(static_cast<std::size_t>(count));
  return text;
}

}  // namespace hansa::connectors::remote
