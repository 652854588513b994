// SPDX-License-Identifier: Apache-2.0
// The broker's own copies of its database go when they are old enough; an operator's, and what is no copy, stays.
#include "broker/store/old_copies.hpp"

#include "temporary_folder.hpp"
#include <catch2/catch.hpp>

#include <fstream>

namespace hansa::store {

TEST_CASE("old copies of the database end by age and an operator's stay") {
  const TemporaryFolder folder(TemporaryFolder::memory());
  const auto database = folder.path() / "hansa.db", backups = folder.path() / "backups";
  CHECK(find_old_copies(database)->empty());
  std::filesystem::create_directory(backups);
  const auto put = [](const std::filesystem::path& path, std::chrono::hours ago) {
    std::ofstream(path) << "x";
    std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - ago);
  };
  constexpr std::chrono::hours kOld{24 * 40};
  const auto now = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  put(database, kOld);
  put(folder.path() / "hansa.db-wal", kOld);
  put(folder.path() / "ledger.key", kOld);
  put(backups / "20200101T000000Z.db", kOld);
  put(backups / "before-schema-17.db", kOld);
  put(backups / "before-schema-18.db", std::chrono::hours{1});
  // The database's own last change says nothing of when it was put aside.
  put(folder.path() / "hansa.db.before-restore-20991231T235959Z", kOld);
  put(folder.path() / "hansa.db.before-restore-20200102T030405Z", std::chrono::hours{1});
  put(folder.path() / "hansa.db.before-restore-20200102T030405Z-wal", std::chrono::hours{1});
  const auto all = find_old_copies(database);
  REQUIRE(all);
  REQUIRE(all->size() == 5);
  CHECK(all->front().at == from_unix_seconds(1'577'934'245));
  const auto gone = end_old_copies(database, now - std::chrono::days{35});
  REQUIRE(gone);
  CHECK(gone->size() == 3);
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    if (entry.is_regular_file()) left.push_back(entry.path().filename().string());
  }
  std::ranges::sort(left);
  CHECK(left == std::vector<std::string>{"20200101T000000Z.db", "before-schema-18.db", "hansa.db", "hansa.db-wal",
                                         "hansa.db.before-restore-20991231T235959Z", "ledger.key"});
}

}  // namespace hansa::store
