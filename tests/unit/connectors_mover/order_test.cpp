// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/connectors_mover/an_order.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::connectors::mover;

TEST_CASE("an order comes back as it was written") {
  for (const auto& order : {an_order(Tool::rclone, a_folder(), a_server()), an_order(Tool::rsync, a_server(), a_folder()),
                            an_order(Tool::plugin, a_server(), a_server()), an_order(Tool::rclone, a_store(), a_server())}) {
    const auto again = order_from_json(canonical_json(to_json(order)));
    REQUIRE(again);
    CHECK(*again == order);
  }
}

TEST_CASE("what could be read as more than a name is no name", "[T09]") {
  using Break = std::pair<const char*, void (*)(Order&)>;
  const auto server = [](Order& order) -> SftpRoot& { return std::get<SftpRoot>(order.to); };
  static const auto kServer = server;
  const auto [where, spoil] = GENERATE(values<Break>({
      {"to/host", [](Order& o) { kServer(o).host = "-oProxyCommand=x"; }},
      {"to/host", [](Order& o) { kServer(o).host = "a b"; }},
      {"to/host", [](Order& o) { kServer(o).host = "a\nProxyCommand x"; }},
      {"to/host", [](Order& o) { kServer(o).host = ""; }},
      {"to/user", [](Order& o) { kServer(o).user = "x\ty"; }},
      {"to/user", [](Order& o) { kServer(o).user = "%u"; }},
      {"to/key_file", [](Order& o) { kServer(o).key_file = "key"; }},
      {"to/key_file", [](Order& o) { kServer(o).key_file = "/a b"; }},
      {"to/known_hosts", [](Order& o) { kServer(o).known_hosts = ""; }},
      {"to/port", [](Order& o) { kServer(o).port = 0; }},
      {"to/folder", [](Order& o) { kServer(o).folder = "~/x"; }},
      {"from/folder", [](Order& o) { std::get<FolderRoot>(o.from).folder = "x"; }},
      {"program", [](Order& o) { o.program = "rclone"; }},
      {"path", [](Order& o) { o.transfer.from.path = "../x"; }},
      {"path", [](Order& o) { o.transfer.to.path = "/x"; }},
      {"to/path", [](Order& o) { o.transfer.to.path = ".hansa"; }},
      {"to/path", [](Order& o) { o.transfer.to.path = ".hansa/x"; }},
      {"tool", [](Order& o) { o.tool = Tool::rsync, o.from = a_server(); }},
      {"to/remote", [](Order& o) { o.to = a_store(); }},
      {"from/remote", [](Order& o) { o.tool = Tool::plugin, o.from = a_store(); }},
      {"from/remote", [](Order& o) { o.from = RemoteRoot{.remote = "a:b", .configuration = "/c", .folder = "/"}; }},
      {"from/configuration", [](Order& o) { o.from = RemoteRoot{.remote = "a", .configuration = "c", .folder = "/"}; }},
      {"from/folder", [](Order& o) { o.from = RemoteRoot{.remote = "a", .configuration = "/c", .folder = "b"}; }},
  }));
  auto order = an_order(Tool::rclone, a_folder(), a_server());
  REQUIRE(check(order));
  spoil(order);
  const auto refused = check(order);
  REQUIRE(!refused);
  CHECK(refused.error().code == "BAD_TRANSFER");
  REQUIRE(refused.error().faults.size() == 1);
  CHECK(refused.error().faults.front().where == where);
}

TEST_CASE("all faults of an order are told at once") {
  auto order = an_order(Tool::rclone, a_folder(), a_server());
  order.program = "x";
  std::get<SftpRoot>(order.to).host = "";
  std::get<FolderRoot>(order.from).folder = "";
  CHECK(check(order).error().faults.size() == 3);
}

TEST_CASE("a torn or forged order is not read") {
  const auto whole = canonical_json(to_json(an_order(Tool::rclone, a_folder(), a_server())));
  for (std::size_t size = 0; size < whole.size(); size += 7) CHECK(!order_from_json(whole.substr(0, size)));
  for (const auto* key : {"transfer", "from", "to", "tool", "program", "most_per_second"}) {
    auto json = Json::parse(whole);
    json[key] = -1;
    INFO(key);
    CHECK(!order_from_json(json.dump()));
    json.erase(key);
    CHECK(!order_from_json(json.dump()));
  }
}
