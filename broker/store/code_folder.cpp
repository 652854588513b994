// SPDX-License-Identifier: Apache-2.0
#include "broker/store/code_folder.hpp"

#include "broker/async/run_on.hpp"
#include "broker/core/descriptor.hpp"
#include "broker/core/digest.hpp"
#include "broker/core/sha256_stream.hpp"
#include "broker/domain/code_archive.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

namespace hansa::store {
namespace {

namespace fs = std::filesystem;
using ports::CodePiece;
using ports::CodeState;

constexpr Seconds kLately{3'600};            // what was used so lately is about to be named by a job
constexpr Seconds kUnfinished{86'400};       // an upload that nobody goes on with
constexpr std::size_t kMostFiles = 1'000;    // of one owner's
constexpr std::size_t kReadPiece = std::size_t{1} << 20;

std::unexpected<Error> cannot(std::string_view what, const fs::path& path, int error) {
  auto detail = path.string() + ": " + std::generic_category().message(error);
  if (error == ENOSPC || error == EDQUOT)
    return fail(ErrorKind::storage_full, "STORAGE_FULL", "the broker's disk is full; try again later", std::move(detail));
  return fail(ErrorKind::internal, "CODE_FILES", "the broker cannot " + std::string(what) + " the code", std::move(detail));
}

fs::path name_of(const CodeId& id, const char* ending) { return std::string(domain::digest_of(id)) + ending; }

struct Found {
  fs::path path;
  CodeId id;
  std::uint64_t size = 0;
  UtcTime used{};
  bool part = false;
};

/// Regular files of one owner's.
std::vector<Found> list_of(const fs::path& folder) {
  std::vector<Found> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    struct stat about{};
    if (::lstat(entry.path().c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    const auto used = std::chrono::seconds{about.st_mtim.tv_sec} + std::chrono::milliseconds{about.st_mtim.tv_nsec / 1'000'000};
    found.push_back({.path = entry.path(),
                     .id = domain::code_id_of(entry.path().stem().string()),
                     .size = static_cast<std::uint64_t>(about.st_size),
                     .used = UtcTime{used},
                     .part = entry.path().extension() != ".tar"});
  }
  return found;
}

bool sync_folder(const fs::path& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder && ::fsync(folder.get()) == 0;
}

Result<void> make_folder(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0) return errno == EEXIST ? Result<void>() : cannot("keep", path, errno);
  if (!sync_folder(path.parent_path())) return cannot("keep", path, errno);
  return {};
}

void touch(const fs::path& path, UtcTime now) {
  const auto ms = to_unix_ms(now);
  const timespec time{.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1'000'000};
  const timespec times[] = {time, time};
  (void)::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);  // it only goes sooner without
}

std::unexpected<Error> not_here(const CodeId& id) {
  return fail(ErrorKind::not_found, "CODE_NOT_HERE",
              "the code " + id.str() + " is not at this broker, or not yours; bring it with: hansa submit --code DIR");
}

}  // namespace

template <typename Work>
auto CodeFolder::on_thread(Work work) -> async::Task<typename std::invoke_result_t<Work>::value_type> {
  using T = typename std::invoke_result_t<Work>::value_type;
  if (options_.inline_mode) co_return work();
  // A coroutine's lambda would be gone when it runs: the work goes in as a parameter.
  auto body = [](Work todo) -> async::Task<T> { co_return todo(); };
  co_return co_await async::run_on<T>(thread_.get_executor(), body(std::move(work)));
}

async::Task<std::optional<CodeState>> CodeFolder::look(Principal owner, CodeId id) {
  return on_thread([this, owner = std::move(owner), id = std::move(id)] { return look_here(owner, id); });
}
async::Task<CodeState> CodeFolder::put(Principal owner, CodePiece piece, std::set<CodeId> in_use) {
  return on_thread([this, owner = std::move(owner), piece = std::move(piece), in_use = std::move(in_use)] {
    return put_here(owner, piece, in_use);
  });
}
async::Task<std::string> CodeFolder::read(Principal owner, CodeId id, std::uint64_t offset, std::size_t limit) {
  return on_thread(
      [this, owner = std::move(owner), id = std::move(id), offset, limit] { return read_here(owner, id, offset, limit); });
}
async::Task<std::size_t> CodeFolder::sweep(std::map<Principal, std::set<CodeId>> in_use) {
  return on_thread([this, in_use = std::move(in_use)] { return sweep_here(in_use); });
}

async::Task<> CodeFolder::forget(Principal person) {
  auto gone = co_await on_thread([folder = folder_of(person)]() -> Result<bool> {
    std::error_code failed;
    fs::remove_all(folder, failed);
    if (failed) return cannot("remove", folder, failed.value());
    return true;
  });
  co_return gone ? Result<void>{} : std::unexpected(gone.error());
}

fs::path CodeFolder::folder_of(const Principal& owner) const { return options_.folder / sha256_hex(owner.str()); }

Result<std::optional<CodeState>> CodeFolder::look_here(const Principal& owner, const CodeId& id) const {
  const auto folder = folder_of(owner);
  struct stat about{};
  const auto whole = folder / name_of(id, ".tar");
  if (::lstat(whole.c_str(), &about) == 0) {
    touch(whole, clock_.now_utc());
    const auto size = static_cast<std::uint64_t>(about.st_size);
    return CodeState{.size = size, .received = size, .complete = true};
  }
  if (errno != ENOENT) return cannot("look at", whole, errno);
  if (::lstat((folder / name_of(id, ".part")).c_str(), &about) != 0) return std::nullopt;
  return CodeState{.received = static_cast<std::uint64_t>(about.st_size)};
}

Result<CodeState> CodeFolder::put_here(const Principal& owner, const CodePiece& piece, const std::set<CodeId>& in_use) const {
  if (piece.size > options_.most_bytes) {
    return fail(
        ErrorKind::too_large, "CODE_TOO_LARGE",
        "the code has " + std::to_string(piece.size) + " bytes as an archive, and this broker takes " +
            std::to_string(options_.most_bytes) +
            "; keep data out of git, register them (hansa data add), or ask the broker's operator ([code] in hansad.toml)");
  }
  if (piece.offset > piece.size || piece.bytes.size() > piece.size - piece.offset)
    return fail(ErrorKind::invalid_argument, "CODE_PIECE", "the piece reaches beyond the archive's size");
  auto known = look_here(owner, piece.id);
  if (!known) return std::unexpected(known.error());
  if (*known && (*known)->complete) return **known;

  const auto folder = folder_of(owner);
  for (const auto& path : {options_.folder, folder}) {
    if (auto made = make_folder(path); !made) return std::unexpected(made.error());
  }
  if (auto room = make_room(folder, piece, in_use); !room) return std::unexpected(room.error());
  const auto path = folder / name_of(piece.id, ".part");
  const Descriptor part(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat about{};
  if (!part || ::fstat(part.get(), &about) != 0) return cannot("keep", path, errno);
  auto received = static_cast<std::uint64_t>(about.st_size);
  if (received > piece.size) {  // of another size than it was begun with: one of the two was wrong
    if (::ftruncate(part.get(), 0) != 0) return cannot("keep", path, errno);
    received = 0;
  }
  if (piece.offset > received) {
    return fail(ErrorKind::conflict, "CODE_GAP",
                "the piece begins at byte " + std::to_string(piece.offset) + ", and " + std::to_string(received) +
                    " bytes are here; go on from there");
  }
  auto rest = std::string_view(piece.bytes);
  for (auto at = piece.offset; !rest.empty();) {
    const auto put = ::pwrite(part.get(), rest.data(), rest.size(), static_cast<off_t>(at));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return cannot("keep", path, errno);
    at += static_cast<std::uint64_t>(put);
    rest.remove_prefix(static_cast<std::size_t>(put));
  }
  received = std::max(received, piece.offset + piece.bytes.size());
  touch(path, clock_.now_utc());
  if (received < piece.size) return CodeState{.received = received};
  return complete(folder, part.get(), piece);
}

/// Read back before anybody is told that it is here: what was sent twice or by two at a time is judged by what came of it.
Result<CodeState> CodeFolder::complete(const fs::path& folder, int part, const CodePiece& piece) const {
  const auto path = folder / name_of(piece.id, ".part"), whole = folder / name_of(piece.id, ".tar");
  Sha256Stream digest;
  domain::CodeChecker checker;
  Result<void> good;
  std::string bytes;
  for (std::uint64_t at = 0; at < piece.size && good; at += bytes.size()) {
    bytes.resize(kReadPiece);
    const auto got = ::pread(part, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) {
      bytes.clear();
      continue;
    }
    if (got <= 0) return cannot("read", path, got < 0 ? errno : EIO);
    bytes.resize(static_cast<std::size_t>(got));
    digest.add(bytes);
    good = checker.take(bytes);
  }
  if (good) good = checker.finish();
  if (good && digest.finish() != domain::digest_of(piece.id)) {
    good = fail(ErrorKind::invalid_argument, "CODE_MISMATCH",
                "what came is not " + piece.id.str() + "; were the files changed meanwhile? Submit again");
  }
  if (!good) {
    (void)::unlink(path.c_str());
    return std::unexpected(good.error());
  }
  if (::fsync(part) != 0 || ::rename(path.c_str(), whole.c_str()) != 0 || !sync_folder(folder))
    return cannot("keep", path, errno);
  return CodeState{.size = piece.size, .received = piece.size, .complete = true};
}

Result<void> CodeFolder::make_room(const fs::path& folder, const CodePiece& piece, const std::set<CodeId>& in_use) const {
  auto found = list_of(folder);
  std::erase_if(found, [&](const Found& file) { return file.part && file.id == piece.id; });
  std::uint64_t total = piece.size;
  for (const auto& file : found) total += file.size;
  auto count = found.size() + 1;
  const auto fits = [&] { return total <= options_.quota_bytes && count <= kMostFiles; };
  std::ranges::sort(found, {}, &Found::used);
  for (const auto& file : found) {
    if (fits()) return {};
    if (in_use.contains(file.id) || file.used + kLately > clock_.now_utc() || ::unlink(file.path.c_str()) != 0) continue;
    total -= file.size;
    --count;
  }
  if (fits()) return {};
  return fail(ErrorKind::too_large, "CODE_QUOTA",
              "with this code you would keep " + std::to_string(count) + " archives of " + std::to_string(total) +
                  " bytes at this broker, and may keep " + std::to_string(kMostFiles) + " of " +
                  std::to_string(options_.quota_bytes) +
                  "; what your jobs that are not over name, and what came within the hour, stays: wait, or ask the broker's "
                  "operator");
}

Result<std::string> CodeFolder::read_here(const Principal& owner, const CodeId& id, std::uint64_t offset,
                                          std::size_t limit) const {
  const auto path = folder_of(owner) / name_of(id, ".tar");
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return errno == ENOENT ? Result<std::string>(not_here(id)) : cannot("read", path, errno);
  std::string bytes(limit, '\0');
  std::size_t have = 0;
  while (have < limit) {
    const auto got = ::pread(file.get(), bytes.data() + have, limit - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot("read", path, errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

Result<std::size_t> CodeFolder::sweep_here(const std::map<Principal, std::set<CodeId>>& in_use) const {
  std::map<fs::path, const std::set<CodeId>*> used;
  for (const auto& [owner, ids] : in_use) used.emplace(folder_of(owner), &ids);
  std::size_t gone = 0;
  const auto now = clock_.now_utc();
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(options_.folder, none)) {
    const auto ids = used.find(entry.path());
    for (const auto& file : list_of(entry.path())) {
      if (ids != used.end() && ids->second->contains(file.id)) continue;
      if (file.used + (file.part ? kUnfinished : options_.keep) > now) continue;
      if (::unlink(file.path.c_str()) == 0 && !file.part) ++gone;
    }
    (void)::rmdir(entry.path().c_str());  // if nothing is left in it
  }
  return gone;
}

}  // namespace hansa::store
