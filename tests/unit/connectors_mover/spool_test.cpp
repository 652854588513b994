// SPDX-License-Identifier: Apache-2.0
// What is known of transfers when everybody who knew is dead. A lock is held by an open file, so one process may play several.
#include "connectors/mover/spool.hpp"

#include "broker/async/real_scheduler.hpp"
#include "tests/unit/connectors_mover/an_order.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <fstream>

using namespace hansa;
using namespace hansa::connectors::mover;
using domain::TransferEnd;
using domain::TransferPhase;

namespace {

const domain::TransferId kFirst = *Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAA");
const domain::TransferId kSecond = *Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAB");
const domain::TransferOutcome kMoved{.end = TransferEnd::moved, .message = {}, .detail = {}, .at = from_unix_ms(5)};

struct SpoolBench {
  tests::TemporaryFolder folder;
  async::SystemRandom random;
  Spool spool = Spool::open(folder / "spool", random).value();

  static Order order(const domain::TransferId& id) {
    auto made = an_order(Tool::rclone, a_folder(), a_folder());
    made.transfer.id = id;
    return made;
  }
  Taken take(const domain::TransferId& id) {
    auto taken = spool.start(order(id));
    REQUIRE(taken);
    REQUIRE(*taken);
    return std::move(**taken);
  }
  domain::TransferStatus status(const domain::TransferId& id) { return spool.status(id).value(); }
};

}  // namespace

TEST_CASE("a mover keeps its name") {
  SpoolBench bench;
  CHECK(bench.spool.mover().size() == 32);
  CHECK(Spool::open(bench.folder / "spool", bench.random).value().mover() == bench.spool.mover());
  CHECK(Spool::open(bench.folder / "other", bench.random).value().mover() != bench.spool.mover());
  CHECK(!Spool::open("relative", bench.random));
  CHECK(!Spool::open(bench.folder / "with space", bench.random));
}

TEST_CASE("a transfer is started once, and found again") {
  SpoolBench bench;
  CHECK(bench.status(kFirst).phase == TransferPhase::not_seen);
  {
    const auto taken = bench.take(kFirst);
    CHECK(bench.status(kFirst).phase == TransferPhase::preparing);
    REQUIRE(Spool::record(taken, TransferPhase::copying, {.bytes = {7}}));
    CHECK(bench.status(kFirst).progress.bytes == domain::Bytes{7});
    CHECK(!bench.spool.start(SpoolBench::order(kFirst)).value());  // somebody is at it
  }
  // Whoever was at it is gone.
  CHECK(bench.status(kFirst).phase == TransferPhase::interrupted);
  CHECK(bench.status(kFirst).progress.bytes == domain::Bytes{7});
  {
    const auto again = bench.take(kFirst);
    REQUIRE(Spool::record(again, {.bytes = {9}}, kMoved));
    CHECK(bench.status(kFirst).phase == TransferPhase::ended);
  }
  CHECK(bench.status(kFirst).outcome == kMoved);
  CHECK(!bench.spool.start(SpoolBench::order(kFirst)).value());  // it has ended

  REQUIRE(bench.spool.forget(kFirst));
  CHECK(bench.status(kFirst).phase == TransferPhase::not_seen);
}

TEST_CASE("the same work is done once; other work at the same place waits") {
  SpoolBench bench;
  auto taken = std::optional(bench.take(kFirst));
  CHECK(!bench.spool.start(SpoolBench::order(kSecond)).value());
  CHECK(bench.status(kSecond).moved_by == kFirst);

  auto other = SpoolBench::order(*Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAC"));
  other.transfer.content.hash = domain::ContentHash(std::string(64, 'b'));
  const auto busy = bench.spool.start(other);
  REQUIRE(!busy);
  CHECK(busy.error().code == "DESTINATION_BUSY");
  CHECK(busy.error().retryable);

  REQUIRE(bench.spool.forget(kSecond));  // not ended: it stays
  CHECK(bench.status(kSecond).moved_by == kFirst);
  REQUIRE(Spool::record(*taken, {}, kMoved));
  taken.reset();
  CHECK(bench.status(kSecond).outcome == kMoved);
  REQUIRE(bench.spool.forget(kFirst));
  CHECK(bench.status(kSecond).phase == TransferPhase::interrupted);  // its start finds the dataset there
}

TEST_CASE("what has ended is nobody else's work, even while it still has its destination") {
  SpoolBench bench;
  auto taken = std::optional(bench.take(kFirst));
  REQUIRE(Spool::record(*taken, {}, kMoved));
  const auto busy = bench.spool.start(SpoolBench::order(kSecond));
  REQUIRE(!busy);
  CHECK(busy.error().code == "DESTINATION_BUSY");
  taken.reset();
  CHECK(bench.spool.start(SpoolBench::order(kSecond)).value());
}

TEST_CASE("an id is one transfer's for ever") {
  SpoolBench bench;
  (void)bench.take(kFirst);
  auto other = SpoolBench::order(kFirst);
  other.transfer.to.path = "elsewhere";
  CHECK(bench.spool.start(other).error().code == "TRANSFER_ID_REUSED");
}

TEST_CASE("what is cancelled while nobody is at it is brought to its end by whoever cancels") {
  SpoolBench bench;
  CHECK(bench.spool.cancel(kFirst, {}).error().code == "TRANSFER_NOT_FOUND");
  { const auto taken = bench.take(kFirst); }
  const auto taken = bench.spool.cancel(kFirst, {});
  REQUIRE(taken.value());
  CHECK(Spool::is_cancelled(**taken));
}

TEST_CASE("what is torn or forged is an error, and no transfer") {
  SpoolBench bench;
  { const auto taken = bench.take(kFirst); }
  const auto* name = GENERATE("order.json", "result.json");
  const auto* text = GENERATE("", "{", "[]", "{\"id\":1}", "null");
  std::ofstream(bench.folder / ("spool/transfers/" + kFirst.str() + "/" + name)) << text;
  CHECK(!bench.spool.status(kFirst));
  CHECK(!bench.spool.start(SpoolBench::order(kFirst)));
}
