// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/durable_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace hansa::cli {
namespace {

std::unexpected<Error> not_written(const std::string& path) {
  const auto why = std::string(std::strerror(errno));
  const bool full = errno == ENOSPC || errno == EDQUOT;
  return fail(full ? ErrorKind::storage_full : ErrorKind::invalid_argument, full ? "LOCAL_STORAGE_FULL" : "CANNOT_WRITE",
              path + " cannot be written: " + why);
}

std::unexpected<Error> exists(const std::string& path) {
  return fail(ErrorKind::conflict, "FILE_EXISTS", path + " is there already: give another name, or remove it");
}

}  // namespace

Result<DurableFile> DurableFile::create(std::string path, bool others_may_read, Existing existing) {
  if (existing == Existing::refuse && ::access(path.c_str(), F_OK) == 0) return exists(path);
  auto draft = path + ".new";
  ::unlink(draft.c_str());
  const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, others_may_read ? 0644 : 0600);
  if (file < 0) return not_written(path);
  return DurableFile(std::move(path), std::move(draft), file, existing);
}

DurableFile::DurableFile(DurableFile&& other) noexcept
    : path_(std::move(other.path_)),
      draft_(std::move(other.draft_)),
      file_(std::exchange(other.file_, -1)),
      existing_(other.existing_) {}

DurableFile::~DurableFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(draft_.c_str());
}

Result<void> DurableFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto wrote = ::write(file_, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return not_written(path_);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

Result<void> DurableFile::finish() {
  if (::fsync(file_) != 0) return not_written(path_);
  if (existing_ == Existing::refuse) {
    if (::link(draft_.c_str(), path_.c_str()) != 0) return errno == EEXIST ? exists(path_) : not_written(path_);
    ::unlink(draft_.c_str());
  } else if (::rename(draft_.c_str(), path_.c_str()) != 0) {
    return not_written(path_);
  }
  ::close(std::exchange(file_, -1));
  const auto slash = path_.rfind('/');
  const auto folder = slash == std::string::npos ? std::string(".") : path_.substr(0, slash + 1);
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened >= 0) {
    ::fsync(opened);
    ::close(opened);
  }
  return {};
}

}  // namespace hansa::cli
