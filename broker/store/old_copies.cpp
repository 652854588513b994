// SPDX-License-Identifier: Apache-2.0
#include "broker/store/old_copies.hpp"

#include "broker/async/run_on.hpp"
#include "broker/core/time_text.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <system_error>

namespace hansa::store {
namespace {

namespace fs = std::filesystem;
using Copies = std::vector<ports::OldCopy>;

/// "20261130T004626Z", with whatever follows.
std::optional<UtcTime> time_in(std::string_view text) {
  constexpr std::size_t kLength = 16;
  if (text.size() < kLength) return std::nullopt;
  std::string time(text.substr(0, kLength));
  for (const std::size_t at : {13UZ, 11UZ}) time.insert(at, ":");
  for (const std::size_t at : {6UZ, 4UZ}) time.insert(at, "-");
  const auto parsed = parse_utc(time);
  return parsed ? std::optional(*parsed) : std::nullopt;
}

Result<void> look_in(const fs::path& folder, const std::string& prefix, bool named_by_time, Copies& found) {
  std::error_code failed;
  auto entry = fs::directory_iterator(folder, failed);
  if (failed == std::errc::no_such_file_or_directory) return {};
  for (; !failed && entry != fs::directory_iterator(); entry.increment(failed)) {
    const auto name = entry->path().filename().string();
    struct stat about{};
    if (!name.starts_with(prefix) || ::lstat(entry->path().c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    const auto told = named_by_time ? time_in(std::string_view(name).substr(prefix.size())) : std::nullopt;
    found.push_back({.path = entry->path().string(), .at = told.value_or(from_unix_seconds(about.st_mtim.tv_sec))});
  }
  if (!failed) return {};
  return fail(ErrorKind::internal, "STATE_FILES", folder.string() + " cannot be read: " + failed.message());
}

template <class T, class Work>
async::Task<T> as_task(Work work) {
  co_return work();
}

}  // namespace

Result<Copies> find_old_copies(const fs::path& database) {
  Copies found;
  const auto folder = database.parent_path();
  if (auto done = look_in(folder / "backups", "before-schema-", false, found); !done) return std::unexpected(done.error());
  if (auto done = look_in(folder, database.filename().string() + ".before-restore-", true, found); !done)
    return std::unexpected(done.error());
  std::ranges::sort(found, {}, [](const ports::OldCopy& copy) { return std::pair(copy.at, copy.path); });
  return found;
}

Result<Copies> end_old_copies(const fs::path& database, UtcTime before) {
  auto all = find_old_copies(database);
  if (!all) return all;
  std::erase_if(*all, [before](const ports::OldCopy& copy) { return copy.at >= before; });
  std::error_code failed, last;
  std::string where;
  for (const auto& copy : *all) {
    fs::remove(copy.path, failed);
    if (!failed) continue;
    last = failed;
    where = copy.path;
  }
  if (last) return fail(ErrorKind::internal, "STATE_FILES", where + " cannot be deleted: " + last.message());
  return all;
}

async::Task<Copies> OldCopiesOnDisk::copies() {
  return async::run_on<Copies>(thread_.get_executor(),
                               as_task<Copies>([database = database_] { return find_old_copies(database); }));
}

async::Task<Copies> OldCopiesOnDisk::end(UtcTime before) {
  return async::run_on<Copies>(thread_.get_executor(),
                               as_task<Copies>([database = database_, before] { return end_old_copies(database, before); }));
}

}  // namespace hansa::store
