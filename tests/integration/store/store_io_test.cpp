// SPDX-License-Identifier: Apache-2.0
// A store's whole life, with every single I/O operation failing in turn, and with the power cut in the middle of each.
#include "tests/unit/store/temporary_folder.hpp"

#include "store_history.hpp"
#include <catch2/catch.hpp>

#include <algorithm>
#include <iostream>
#include <map>

using namespace hansa;
using namespace hansa::store;
using disk::Failure;
using disk::FaultyDisk;
using disk::Loss;
using disk::Operation;

namespace {

std::vector<Operation> operations_of_a_life() {
  const TemporaryFolder folder(TemporaryFolder::memory());
  FaultyDisk disk;
  History history(disk, folder.path());
  history.play();
  REQUIRE(history.tally().refused == 0);
  REQUIRE(history.tally().acknowledged == 19);  // 17 steps that write, and two epochs
  auto operations = disk.operations();
  history.verify();
  return operations;
}

void print(const std::string& what, std::uint64_t histories, const Tally& sum) {
  std::cout << what << ": " << histories << " histories, " << sum.acknowledged << " writes acknowledged, " << sum.refused
            << " refused, " << sum.in_doubt << " in doubt; the store did not open " << sum.not_opened << " times, ended "
            << sum.ended << ", failed a question " << sum.reads_failed << ", closed untidily " << sum.close_failed << "\n";
}

}  // namespace

TEST_CASE("a life takes the same I/O operations each time, of every kind") {
  const auto operations = operations_of_a_life();
  const auto again = operations_of_a_life();
  const auto differs = std::ranges::mismatch(operations, again);
  INFO("they differ at operation " << differs.in1 - operations.begin() + 1);
  CHECK((operations == again));
  std::map<Operation, int> kinds;
  for (const auto operation : operations) ++kinds[operation];
  std::cout << operations.size() << " I/O operations:";
  for (const auto& [operation, count] : kinds) std::cout << " " << to_string(operation) << " " << count;
  std::cout << "\n";
  CHECK(kinds.size() == 9);
  CHECK(operations.size() > 300);
}

TEST_CASE("whichever I/O operation fails, and however, what was acknowledged is there and what was refused is not") {
  const auto operations = operations_of_a_life();
  const auto try_all = [&](const std::string& what, std::uint64_t step, bool lasting, auto failure_at) {
    Tally sum;
    std::uint64_t histories = 0;
    for (std::uint64_t n = 1; n <= operations.size(); n += step) {
      const Failure failure = failure_at(n);
      if (!disk::applies(failure, operations[n - 1])) continue;
      INFO(to_string(failure) << (lasting ? ", lasting," : "") << " at I/O operation " << n << " ("
                              << to_string(operations[n - 1]) << ")");
      const TemporaryFolder folder(TemporaryFolder::memory());
      FaultyDisk disk(n);
      History history(disk, folder.path());
      disk.plan({.at = n, .failure = failure, .lasting = lasting});
      history.play();
      REQUIRE(disk.struck() >= 1);
      history.verify();
      sum += history.tally();
      ++histories;
    }
    print(what, histories, sum);
    CHECK(histories > 50);
  };
  try_all("EIO", 1, false, [](std::uint64_t) { return Failure::io_error; });
  try_all("ENOSPC, EDQUOT or a short write", 1, false, [](std::uint64_t n) {
    return n % 3 == 0 ? Failure::no_space : n % 3 == 1 ? Failure::over_quota : Failure::short_write;
  });
  try_all("ENOSPC from there on", 3, true, [](std::uint64_t) { return Failure::no_space; });
}

TEST_CASE("what the store found in its log after a failed sync does not go with the next power cut") {
  const auto operations = operations_of_a_life();
  Tally sum;
  std::uint64_t histories = 0;
  for (std::uint64_t n = 1; n <= operations.size(); ++n) {
    if (operations[n - 1] != Operation::sync) continue;
    INFO("sync at I/O operation " << n << " fails");
    const TemporaryFolder folder(TemporaryFolder::memory());
    FaultyDisk disk(n);
    History history(disk, folder.path());
    disk.plan({.at = n, .failure = Failure::io_error});
    history.play(History::AfterFailure::stop);
    history.verify();
    sum += history.tally();
    ++histories;
  }
  print("EIO of a sync, and a power cut after the restart", histories, sum);
  CHECK(histories > 20);
}

TEST_CASE("wherever the power is cut, and whatever of the unsynced is lost, what was acknowledged is there and nothing is half") {
  const auto operations = operations_of_a_life();
  const auto changes = [](Operation operation) {
    return operation != Operation::read && operation != Operation::size && operation != Operation::access;
  };
  Tally sum;
  std::uint64_t histories = 0;
  for (std::uint64_t n = 1; n <= operations.size(); ++n) {
    if (!changes(operations[n - 1])) continue;  // the same as at the next that does
    ++histories;
    const Loss loss = n % 3 == 0 ? Loss::all : n % 3 == 1 ? Loss::some : Loss::tail;
    INFO("power cut at I/O operation " << n << " (" << to_string(operations[n - 1]) << "), lost: " << to_string(loss));
    const TemporaryFolder folder(TemporaryFolder::memory());
    FaultyDisk disk(n);
    History history(disk, folder.path());
    disk.cut_power(n, loss);
    history.play();
    REQUIRE(disk.dark());
    history.verify();
    sum += history.tally();
  }
  print("power cut", histories, sum);
  CHECK(histories > 200);
}
