// SPDX-License-Identifier: Apache-2.0
#include "store_contract.hpp"
#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::contract;
using domain::TransferEnd;

namespace {

const domain::Content kContent{.size = {1000}, .files = 3, .hash = domain::ContentHash(std::string(64, 'a'))};

/// In the register, with a copy at alpha that lies beneath "projects" and counts until second 900.
void register_with_copy(StoreUnderTest& store, const std::string& id) {
  domain::Dataset dataset{.id = DatasetId(id)};
  const auto step = [&](const domain::DatasetChangeBody& body) {
    const domain::DatasetChange made{.id = next_id(),
                                     .of = dataset.id,
                                     .version = dataset.version + 1,
                                     .by = Principal("local:alice"),
                                     .at = at(1),
                                     .reason = "",
                                     .body = body};
    REQUIRE(domain::apply(dataset, made, at(1)));
    dataset.version = made.version;
    REQUIRE(store.wait(store.catalogue().record_step({.dataset = dataset, .changes = {made}, .ruling = std::nullopt})));
    return made.id;
  };
  step(domain::Registered{
      .owner = Principal("local:alice"), .project = ProjectId("lab"), .labels = {domain::Label("open")}, .content = kContent});
  const auto added = step(domain::ReplicaAdded{.site = SiteId("alpha"), .root = domain::RootName("projects"), .path = id});
  step(domain::ReplicaVerified{.site = SiteId("alpha"), .replica = added, .at = at(1), .expires_at = at(900)});
}

ports::BegunTransfer transfer_of(const std::string& dataset, const std::string& to) {
  return {.transfer = {.id = next_id(),
                       .dataset = DatasetId(dataset),
                       .content = kContent,
                       .from = {.site = SiteId("alpha"), .root = domain::RootName("projects"), .path = dataset},
                       .to = {.site = SiteId(to), .root = domain::RootName("stage"), .path = dataset},
                       .room = {.bytes = domain::Bytes{5000}, .files = std::nullopt}},
          .begun_at = at(10)};
}

domain::TransferOutcome ended_as(TransferEnd end, std::int64_t second = 20) {
  return {.end = end, .message = "why", .detail = "the tool's words", .at = at(second)};
}

std::string begin(StoreUnderTest& store, const ports::BegunTransfer& begun) {
  return code_of(store.wait(store.transfers().begin_transfer(begun)));
}

std::vector<ports::BegunTransfer> under_way(StoreUnderTest& store) {
  return store.wait(store.transfers().transfers_under_way()).value();
}

}  // namespace

TEST_CASE("a transfer is under way from its beginning to its end, also after a restart") {
  auto store = next_store();
  register_with_copy(*store, "d1");
  register_with_copy(*store, "d2");
  CHECK(under_way(*store).empty());
  const auto first = transfer_of("d1", "beta"), second = transfer_of("d2", "beta");
  CHECK(begin(*store, first) == "");
  CHECK(begin(*store, second) == "");
  store->reopen();
  CHECK(under_way(*store) == std::vector{first, second});
  CHECK(store->wait(store->transfers().end_transfer(first.transfer.id, ended_as(TransferEnd::moved), std::nullopt)));
  CHECK(under_way(*store) == std::vector{second});
  store->reopen();
  CHECK(under_way(*store) == std::vector{second});
}

TEST_CASE("a dataset is on its way to a site once at a time") {
  auto store = next_store();
  register_with_copy(*store, "d1");
  const auto first = transfer_of("d1", "beta");
  REQUIRE(begin(*store, first) == "");
  auto again = transfer_of("d1", "beta");
  again.transfer.from.site = SiteId("gamma");
  CHECK(begin(*store, again) == "TRANSFER_UNDER_WAY");
  CHECK(begin(*store, transfer_of("d1", "delta")) == "");
  CHECK(store->wait(store->transfers().end_transfer(first.transfer.id, ended_as(TransferEnd::unreachable), std::nullopt)));
  CHECK(begin(*store, first) == "TRANSFER_UNDER_WAY");  // an ended one never runs again
  CHECK(begin(*store, again) == "");
}

TEST_CASE("a link's speed is kept with the transfer that measured it, once") {
  auto store = next_store();
  register_with_copy(*store, "d1");
  const ports::LinkSpeed fast{.from = SiteId("alpha"), .to = SiteId("beta"), .per_second = {1 << 30}};
  auto slow = fast;
  slow.per_second = {7};
  const auto speeds = [&] { return store->wait(store->transfers().link_speeds()).value(); };
  const auto end = [&](const ports::BegunTransfer& begun, std::optional<ports::LinkSpeed> measured) {
    return code_of(
        store->wait(store->transfers().end_transfer(begun.transfer.id, ended_as(TransferEnd::moved), std::move(measured))));
  };
  CHECK(speeds().empty());
  const auto first = transfer_of("d1", "beta");
  REQUIRE(begin(*store, first) == "");
  CHECK(end(first, slow) == "");
  CHECK(end(first, fast) == "");  // repeated: nothing changes
  CHECK(speeds() == std::vector{slow});
  const auto second = transfer_of("d1", "beta");
  REQUIRE(begin(*store, second) == "");
  CHECK(end(second, std::nullopt) == "");
  CHECK(speeds() == std::vector{slow});
  const auto third = transfer_of("d1", "beta");
  REQUIRE(begin(*store, third) == "");
  CHECK(end(third, fast) == "");
  store->reopen();
  CHECK(speeds() == std::vector{fast});
}

TEST_CASE("what lies beneath a root is what counts there") {
  auto store = next_store();
  register_with_copy(*store, "d1");
  register_with_copy(*store, "d2");
  const auto occupied = [&](const char* site, const char* root, std::int64_t second) {
    return store->wait(store->transfers().occupied(SiteId(site), domain::RootName(root), at(second))).value();
  };
  CHECK(occupied("alpha", "projects", 899) == ports::Occupied{.bytes = {2000}, .files = 6});
  CHECK(occupied("alpha", "projects", 900) == ports::Occupied{});
  CHECK(occupied("alpha", "stage", 1) == ports::Occupied{});
  CHECK(occupied("beta", "projects", 1) == ports::Occupied{});
  REQUIRE(begin(*store, transfer_of("d1", "beta")) == "");
  CHECK(occupied("beta", "stage", 1) == ports::Occupied{});
}
