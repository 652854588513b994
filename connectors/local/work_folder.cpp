// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/work_folder.hpp"

#include "broker/core/sha256_stream.hpp"
#include "connectors/transport/wrapper.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace hansa::connectors::local {

namespace {

std::optional<std::string> read_link(int directory, const std::string& name) {
  std::array<char, 1024> target{};
  const auto size = ::readlinkat(directory, name.c_str(), target.data(), target.size());
  if (size < 0) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(size));
}

/// "folder/name": the folder, beneath the root, and the name in it.
struct Split {
  std::string folder;
  std::string name;
};
Split split(const std::string& path) {
  const auto slash = path.rfind('/');
  return {path.substr(0, slash), path.substr(slash + 1)};
}

constexpr std::size_t kPiece = std::size_t{1} << 20;

std::string code_part(const Tag& tag) { return "code/" + tag.str() + ".part"; }

Result<std::string> read_piece(const Descriptor& file, std::uint64_t offset, std::size_t count) {
  std::string bytes(count, '\0');
  ssize_t got = 0;
  do { got = ::pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)); } while (got < 0 && errno == EINTR);
  if (got < 0) return system_error(errno, "cannot read the output");
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

Result<ports::FileFacts> facts_of(const Descriptor& file) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return system_error(errno, "cannot look at the output");
  if (S_ISDIR(status.st_mode)) return ports::FileFacts{.state = ports::FileState::folder, .size = 0, .version = {}};
  if (!S_ISREG(status.st_mode)) return ports::FileFacts{.state = ports::FileState::special, .size = 0, .version = {}};
  const auto& changed = status.st_ctim;  // which nobody can set
  return ports::FileFacts{.state = ports::FileState::file,
                          .size = static_cast<std::uint64_t>(status.st_size),
                          .version = std::to_string(status.st_ino) + '-' + std::to_string(changed.tv_sec) + '.' +
                                     std::to_string(changed.tv_nsec) + '-' + std::to_string(status.st_size)};
}

}  // namespace

Result<WorkFolder> WorkFolder::open(const std::string& path) {
  if (auto made = make_directories(path); !made) return std::unexpected(std::move(made.error()));
  auto root = open_directory(path);
  if (!root) return std::unexpected(std::move(root.error()));
  for (const auto& name : transport::work_folders()) {
    if (::mkdirat(root->get(), name.c_str(), 0700) != 0 && errno != EEXIST)
      return system_error(errno, "cannot make " + path + "/" + name);
  }
  return WorkFolder(std::move(*root));
}

Result<WorkFolder::Trial> WorkFolder::try_fence(const std::string& holder) const {
  constexpr const char* kName = "hansa-doctor";
  const auto folder = open_beneath(root_.get(), "fence", O_DIRECTORY | O_RDONLY);
  if (!folder) return std::unexpected(folder.error());
  (void)::unlinkat(folder->get(), kName, 0);
  Trial trial;
  trial.created = ::symlinkat(holder.c_str(), folder->get(), kName) == 0;
  if (!trial.created) return system_error(errno, "cannot make a link in work_dir");
  trial.second_created = ::symlinkat("second", folder->get(), kName) == 0;
  trial.holder = read_link(folder->get(), kName).value_or("");
  (void)::unlinkat(folder->get(), kName, 0);
  struct statvfs room{};
  if (::fstatvfs(folder->get(), &room) != 0) return system_error(errno, "cannot see how much room there is");
  trial.room = {.bytes_free = std::uint64_t{room.f_bavail} * room.f_frsize,
                .bytes = std::uint64_t{room.f_blocks} * room.f_frsize,
                .files_free = room.f_favail,
                .files = room.f_files};
  return trial;
}

Result<ports::SealOutcome> WorkFolder::seal(const ports::Fence& wanted) const {
  const auto& tag = wanted.tag;
  const auto fence = split(wanted.whole_array ? transport::array_fence_path(tag) : transport::fence_path(tag, wanted.task_index));
  const auto folder = open_beneath(root_.get(), fence.folder, O_DIRECTORY | O_RDONLY);
  if (!folder) return std::unexpected(folder.error());
  const std::string seal(transport::kSealed);
  if (::symlinkat(seal.c_str(), folder->get(), fence.name.c_str()) == 0) {
    if (::fsync(folder->get()) != 0) return system_error(errno, "cannot keep the seal");  // the broker is about to rely on it
    return ports::SealOutcome{.sealed = true, .holder = {}};
  }
  if (errno != EEXIST) return system_error(errno, "cannot seal the fence");
  const auto held = read_link(folder->get(), fence.name);
  if (!held) return system_error(errno, "cannot read the fence");
  if (*held == seal) return ports::SealOutcome{.sealed = true, .holder = {}};
  ports::SealOutcome outcome{.sealed = false, .holder = transport::holder_of(*held)};
  if (outcome.holder.empty()) return fail(ErrorKind::internal, "BAD_FENCE", "the fence of " + tag.str() + " names no job", *held);
  return outcome;
}

std::optional<domain::Reason> WorkFolder::refusal(const JobRecord& job) const {
  const SiteJobId id(std::to_string(job.array == 0 ? job.id : job.array));
  const auto refused =
      split(transport::refusal_path(job.tag, job.task, job.array == 0 ? id : transport::task_id(id, job.task), 0));
  const auto folder = open_beneath(root_.get(), refused.folder, O_DIRECTORY | O_RDONLY);
  if (!folder) return std::nullopt;
  const auto word = read_link(folder->get(), refused.name);
  if (!word) return std::nullopt;
  auto refusal = transport::read_refusal(*word);
  return domain::Reason{std::move(refusal.code), std::move(refusal.message)};
}

bool WorkFolder::has_code(std::string_view digest, std::uint64_t size) const {
  const auto file = open_beneath(root_.get(), transport::code_path(digest), O_RDONLY);
  const auto facts = file ? facts_of(*file) : std::unexpected(file.error());
  return facts && facts->state == ports::FileState::file && facts->size == size;
}

Result<Descriptor> WorkFolder::begin_code(const Tag& tag) const {
  drop_code(tag);
  return open_beneath(root_.get(), code_part(tag), O_WRONLY | O_CREAT | O_EXCL);
}

Result<void> WorkFolder::keep_code(const Tag& tag, std::string_view digest) const {
  const auto file = open_beneath(root_.get(), code_part(tag), O_RDONLY);
  if (!file) return std::unexpected(file.error());
  Sha256Stream stream;
  for (std::uint64_t at = 0;;) {
    auto bytes = read_piece(*file, at, kPiece);
    if (!bytes) return std::unexpected(std::move(bytes.error()));
    if (bytes->empty()) break;
    stream.add(*bytes);
    at += bytes->size();
  }
  if (stream.finish() != digest)
    return fail(ErrorKind::unavailable, "CODE_MISMATCH", "what was written to the disk is not the job's code");
  const auto folder = split(transport::code_path(digest));
  const auto directory = open_beneath(root_.get(), folder.folder, O_DIRECTORY | O_RDONLY);
  if (!directory) return std::unexpected(directory.error());
  if (::fsync(file->get()) != 0 ||
      ::renameat(directory->get(), split(code_part(tag)).name.c_str(), directory->get(), folder.name.c_str()) != 0 ||
      ::fsync(directory->get()) != 0) {
    return system_error(errno, "cannot keep the job's code");
  }
  return {};
}

void WorkFolder::drop_code(const Tag& tag) const {
  const auto part = split(code_part(tag));
  if (const auto folder = open_beneath(root_.get(), part.folder, O_DIRECTORY | O_RDONLY))
    ::unlinkat(folder->get(), part.name.c_str(), 0);
}

Result<void> WorkFolder::keep_secrets(const Tag& tag, const std::vector<ports::DeliveredSecret>& secrets) const {
  const auto whole = transport::secrets_path(tag);
  const auto path = split(whole);
  const auto all = open_beneath(root_.get(), path.folder, O_DIRECTORY | O_RDONLY);
  if (!all) return std::unexpected(all.error());
  if (::mkdirat(all->get(), path.name.c_str(), 0700) != 0 && errno != EEXIST)
    return system_error(errno, "cannot make " + whole + " in work_dir");
  const auto folder = open_beneath(root_.get(), whole, O_DIRECTORY | O_RDONLY);
  if (!folder) return std::unexpected(folder.error());
  for (const auto& [name, value] : secrets) {
    (void)::unlinkat(folder->get(), name.c_str(), 0);  // of an earlier submission under this tag, whose answer was lost
    const auto file = open_beneath(folder->get(), name, O_WRONLY | O_CREAT | O_EXCL);
    if (!file) return std::unexpected(file.error());
    if (auto written = append(*file, value.reveal()); !written) return written;
    if (::fsync(file->get()) != 0) return system_error(errno, "cannot keep the job's secrets");
  }
  if (::fsync(folder->get()) != 0) return system_error(errno, "cannot keep the job's secrets");
  return {};
}

Result<void> WorkFolder::drop_secrets(const Tag& tag, const std::vector<std::string>& files) const {
  const auto whole = transport::secrets_path(tag);
  const auto folder = open_beneath(root_.get(), whole, O_DIRECTORY | O_RDONLY);
  if (!folder && folder.error().kind == ErrorKind::not_found) return {};
  if (!folder) return std::unexpected(folder.error());
  for (const auto& file : files) {
    if (::unlinkat(folder->get(), file.c_str(), 0) != 0 && errno != ENOENT)
      return system_error(errno, "cannot remove a secret of " + tag.str() + " from work_dir");
  }
  const auto path = split(whole);
  if (const auto all = open_beneath(root_.get(), path.folder, O_DIRECTORY | O_RDONLY))
    (void)::unlinkat(all->get(), path.name.c_str(), AT_REMOVEDIR);  // not if the job has left something of its own in it
  return {};
}

Result<ports::OutputChunk> WorkFolder::read_output(const Tag& tag, std::optional<std::int32_t> task, ports::Stream stream,
                                                   std::uint64_t offset, std::size_t limit) const {
  ports::OutputChunk chunk{.bytes = {}, .next_offset = offset, .exists = false};
  const bool errors = stream == ports::Stream::err;
  const auto path = task ? transport::task_output_path(tag, std::to_string(*task), errors) : transport::output_path(tag, errors);
  const auto file = open_beneath(root_.get(), path, O_RDONLY);
  if (!file) {
    if (file.error().kind == ErrorKind::not_found) return chunk;
    return std::unexpected(file.error());
  }
  struct stat status{};
  if (::fstat(file->get(), &status) != 0) return system_error(errno, "cannot look at the output");
  if (!S_ISREG(status.st_mode))
    return fail(ErrorKind::permission_denied, "NO_REGULAR_FILE", "the job's output is not a regular file any more");
  chunk.exists = true;
  const auto size = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  if (offset >= size) return chunk;
  auto bytes = read_piece(*file, offset, static_cast<std::size_t>(std::min<std::uint64_t>(size - offset, limit)));
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  chunk.bytes = std::move(*bytes);
  chunk.next_offset = offset + chunk.bytes.size();
  return chunk;
}

Result<ports::FileChunk> WorkFolder::read_file(const Tag& tag, const std::string& path, std::uint64_t offset,
                                               std::size_t limit) const {
  ports::FileChunk chunk;
  const auto file = open_beneath(root_.get(), transport::job_folder(tag) + '/' + path, O_RDONLY);
  if (!file) {
    switch (file.error().kind) {
      case ErrorKind::not_found: break;
      case ErrorKind::conflict: chunk.facts.state = ports::FileState::link; break;
      case ErrorKind::permission_denied: chunk.facts.state = ports::FileState::unreadable; break;
      default: return std::unexpected(file.error());
    }
    return chunk;
  }
  auto before = facts_of(*file);
  if (!before) return std::unexpected(std::move(before.error()));
  if (before->state == ports::FileState::file && limit > 0 && offset < before->size) {
    auto bytes = read_piece(*file, offset, static_cast<std::size_t>(std::min<std::uint64_t>(before->size - offset, limit)));
    if (!bytes) return std::unexpected(std::move(bytes.error()));
    chunk.bytes = std::move(*bytes);
  }
  auto after = facts_of(*file);
  if (!after) return std::unexpected(std::move(after.error()));
  chunk.facts = std::move(*after);
  return chunk;
}

}  // namespace hansa::connectors::local
