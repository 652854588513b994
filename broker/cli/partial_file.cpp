// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/partial_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace hansa::cli {
namespace {

constexpr std::string_view kSuffix = ".part";

std::string prefix_of(const PartialFile::Place& place) { return '.' + place.name + '.' + place.job + '.'; }
std::string partial_name(const PartialFile::Place& place) { return prefix_of(place) + place.version + std::string(kSuffix); }

std::string path_in(const PartialFile::Place& place, const std::string& name) {
  return place.folder == "." ? name : place.folder + (place.folder.ends_with('/') ? "" : "/") + name;
}

std::unexpected<Error> cannot(const std::string& what, int error) {
  auto text = "cannot " + what + ": " + std::generic_category().message(error);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return fail(ErrorKind::storage_full, kNoRoomHere,
                text + "; make room, or give another folder (-o DIR): the same command goes on from there");
  }
  if (error == EACCES || error == EROFS || error == EPERM) text += "; give a folder that you may write to: -o DIR";
  return fail(ErrorKind::invalid_argument, "LOCAL_FILE", std::move(text));
}

std::unexpected<Error> exists(const PartialFile::Place& place) {
  return fail(ErrorKind::conflict, "FILE_EXISTS",
              path_in(place, place.name) + " is there already; replace it with --force, or fetch into another folder: -o DIR");
}

bool is_there(int folder, const std::string& name) {
  struct stat facts{};
  return ::fstatat(folder, name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0;
}

/// Pieces of this output of this job in other versions: nobody will ever go on with them.
void remove_others(int folder, const PartialFile::Place& place) {
  const int again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const listing = again < 0 ? nullptr : ::fdopendir(again);
  if (listing == nullptr) {
    if (again >= 0) ::close(again);
    return;
  }
  const auto prefix = prefix_of(place), ours = partial_name(place);
  while (const auto* entry = ::readdir(listing)) {
    const std::string_view name = static_cast<const char*>(entry->d_name);
    if (name.starts_with(prefix) && name.ends_with(kSuffix) && name != ours) ::unlinkat(folder, entry->d_name, 0);
  }
  ::closedir(listing);
}

}  // namespace

PartialFile::PartialFile(Place place, int folder, int file, std::uint64_t size)
    : place_(std::move(place)), folder_(folder), file_(file), size_(size) {}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : place_(std::move(other.place_)),
      folder_(std::exchange(other.folder_, -1)),
      file_(std::exchange(other.file_, -1)),
      size_(other.size_) {}

PartialFile::~PartialFile() {
  if (file_ >= 0) ::close(file_);  // and so unlocked
  if (folder_ >= 0) ::close(folder_);
}

Result<PartialFile> PartialFile::open(Place place) {
  const int folder = ::open(place.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return cannot("open the folder " + place.folder, errno);
  PartialFile partial(std::move(place), folder, -1, 0);
  const auto& at = partial.place_;
  if (!at.replace && is_there(folder, at.name)) return exists(at);
  const auto name = partial_name(at);
  const auto what = "write " + path_in(at, name);
  partial.file_ = ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
  if (partial.file_ < 0) return cannot(what, errno);
  struct stat held{}, named{};
  const bool locked = ::flock(partial.file_, LOCK_EX | LOCK_NB) == 0;
  // Whoever had it may have put it in its place just now: then what we hold is that file.
  if (!locked || ::fstat(partial.file_, &held) != 0 || ::fstatat(folder, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
      held.st_ino != named.st_ino) {
    return fail(
        ErrorKind::conflict, "BEING_FETCHED",
        path_in(at, at.name) + " is being fetched by another hansa; wait for that one, or fetch into another folder: -o DIR");
  }
  if (!S_ISREG(held.st_mode)) return cannot(what, EEXIST);
  partial.size_ = static_cast<std::uint64_t>(held.st_size);
  remove_others(folder, at);
  return partial;
}

Result<void> PartialFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto put = ::write(file_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return cannot("write " + path_in(place_, partial_name(place_)), errno);
    bytes.remove_prefix(static_cast<std::size_t>(put));
    size_ += static_cast<std::uint64_t>(put);
  }
  return {};
}

Result<void> PartialFile::finish() {
  const auto partial = partial_name(place_);
  const auto what = "keep " + path();
  if (::fsync(file_) != 0) return cannot(what, errno);
  if (place_.replace) {
    if (::renameat(folder_, partial.c_str(), folder_, place_.name.c_str()) != 0) return cannot(what, errno);
    return {};
  }
  if (::renameat2(folder_, partial.c_str(), folder_, place_.name.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EEXIST) return exists(place_);
  // A file system (NFS) that knows no such rename: a second name is given as unfailingly to a free place only.
  if (::linkat(folder_, partial.c_str(), folder_, place_.name.c_str(), 0) != 0)
    return errno == EEXIST ? Result<void>(exists(place_)) : Result<void>(cannot(what, errno));
  ::unlinkat(folder_, partial.c_str(), 0);
  return {};
}

void PartialFile::discard() { ::unlinkat(folder_, partial_name(place_).c_str(), 0); }

std::string PartialFile::path() const { return path_in(place_, place_.name); }

}  // namespace hansa::cli
