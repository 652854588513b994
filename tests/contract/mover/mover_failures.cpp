// SPDX-License-Identifier: Apache-2.0
// What must not go well: a reason that says so, and nothing half visible.
#include "tests/contract/mover/mover_bench.hpp"

#include <catch2/catch.hpp>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace hansa::contract {
namespace {

using domain::Bytes;
using domain::TransferEnd;
using domain::TransferPhase;

Files four_files() {
  Files files;
  for (int i = 0; i < 4; ++i) files.emplace_back("part-" + std::to_string(i), random_bytes(kMiB));
  return files;
}

/// The first is soon whole, and the last long on its way.
Files small_and_large() {
  Files files;
  for (int i = 0; i < 4; ++i) files.emplace_back("part-" + std::to_string(i), random_bytes(kMiB / 32));
  files.emplace_back("rest", random_bytes(kSlowSize));
  return files;
}

/// 3 MiB, 200 inodes. Needs root.
struct SmallFileSystem {
  explicit SmallFileSystem(fs::path path) : at(std::move(path)) {
    REQUIRE(::mount("tmpfs", at.c_str(), "tmpfs", 0, "size=3m,nr_inodes=200") == 0);
  }
  ~SmallFileSystem() { ::umount2(at.c_str(), MNT_DETACH); }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  fs::path at;
};

void flip_a_byte(const fs::path& path) {
  const auto written = fs::last_write_time(path);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(1000);
  const auto byte = static_cast<char>(file.get() ^ 1);
  file.seekp(1000);
  file.put(byte);
  file.close();
  fs::last_write_time(path, written);
}

}  // namespace

TEST_CASE("a byte that is wrong at the destination is found, though size and time are right") {
  MoverBench bench(GENERATE(from_range(both_ways_with_rclone())));
  const auto content = bench.make("set", small_and_large());
  const auto transfer = bench.transfer("set", content);
  bench.options().most_per_second = kSlowly;
  bench.start(transfer);
  bench.follow(transfer.id, [](const auto& status) { return status.progress.files >= 1; });
  bench.kill_supervisor(transfer.id);
  bool flipped = false;
  for (const auto& entry : fs::directory_iterator(bench.staged(transfer))) {
    const auto source = bench.from() / "set" / entry.path().filename();
    // rclone keeps time to what the other end can: to the second.
    const auto apart = fs::last_write_time(entry.path()) - fs::last_write_time(source);
    if (flipped || entry.file_size() != fs::file_size(source) || std::chrono::abs(apart) > std::chrono::seconds(1)) continue;
    flip_a_byte(entry.path());
    flipped = true;
  }
  REQUIRE(flipped);
  bench.options().most_per_second = {0};
  const auto end = bench.move(transfer);
  REQUIRE(end.outcome->end == TransferEnd::checksum_mismatch);
  CHECK(end.outcome->message.contains(content.hash.str()));
  CHECK(bench.has_nothing_but({}));
  // Whoever tries again begins anew, and it arrives.
  CHECK(bench.move(bench.transfer("set", content)).outcome->end == TransferEnd::moved);
}

TEST_CASE("a source that is not the dataset") {
  MoverBench bench(GENERATE(from_range(both_ways_with_rclone())));
  auto content = bench.make("set", {{"a", "1"}, {"b", "22"}});
  auto expected = TransferEnd::source_differs;
  SECTION("is not there") {
    fs::remove_all(bench.from() / "set");
    expected = TransferEnd::source_missing;
  }
  SECTION("is a link to a folder") {
    fs::rename(bench.from() / "set", bench.from() / "elsewhere");
    fs::create_directory_symlink("elsewhere", bench.from() / "set");
    expected = TransferEnd::source_missing;
  }
  SECTION("lies behind a link out of the root") {
    fs::create_directory(bench.from().parent_path() / "outside");
    fs::rename(bench.from() / "set", bench.from().parent_path() / "outside/set");
    fs::create_directory_symlink("../outside", bench.from() / "way");
    content = bench.make("other", {{"a", "1"}});
    auto transfer = bench.transfer("way/set", content);
    CHECK(bench.move(transfer).outcome->end == TransferEnd::source_missing);
    CHECK(bench.has_nothing_but({}));
    return;
  }
  SECTION("has a file more") { bench.make("set", {{"c", ""}}); }
  SECTION("has a file less") { fs::remove(bench.from() / "set/b"); }
  SECTION("has another size") { bench.make("set", {{"b", "333"}}); }
  SECTION("has the same size and other bytes") {
    bench.make("set", {{"b", "23"}});
    expected = TransferEnd::checksum_mismatch;
  }
  SECTION("has a link to a file, of the dataset even") {
    fs::remove(bench.from() / "set/b");
    fs::create_symlink("a", bench.from() / "set/b");
    expected = TransferEnd::unsuitable_file;
  }
  SECTION("has a link to a folder outside") {
    fs::create_directory_symlink("/etc", bench.from() / "set/etc");
    expected = TransferEnd::unsuitable_file;
  }
  SECTION("has a name that rclone would change") {
    if (tool_under_test() != connectors::mover::Tool::rclone) return;
    content = bench.make("set", {{"a", "1"}, {"b", "22"}, {GENERATE("not UTF-8 \xff", "new\nline", "\xe2\x90\x8a"), "3"}});
    expected = TransferEnd::unsuitable_file;
  }
  SECTION("has a pipe") {
    REQUIRE(::mkfifo((bench.from() / "set/pipe").c_str(), 0600) == 0);
    expected = TransferEnd::unsuitable_file;
  }
  const auto end = bench.move(bench.transfer("set", content));
  CHECK(to_string(end.outcome->end) == to_string(expected));
  CHECK(!end.outcome->message.empty());
  CHECK(bench.has_nothing_but({}));
}

TEST_CASE("a file that grows while it is copied never becomes part of a replica") {
  MoverBench bench(GENERATE(from_range(both_ways_with_rclone())));
  const auto content = bench.make("set", four_files());
  const auto transfer = bench.transfer("set", content);
  bench.shut_gate();
  bench.start(transfer);
  bench.follow(transfer.id, [](const auto& status) { return status.phase == TransferPhase::copying; });
  for (int i = 0; i < 4; ++i) std::ofstream(bench.from() / ("set/part-" + std::to_string(i)), std::ios::app) << "more";
  bench.open_gate();
  const auto end = bench.follow(transfer.id);
  CHECK((end.outcome->end == TransferEnd::checksum_mismatch || end.outcome->end == TransferEnd::tool_failed));
  CHECK(!fs::exists(bench.to() / "set"));
}

TEST_CASE("a destination that is taken is not touched") {
  MoverBench bench(GENERATE(from_range(both_ways_with_rclone())));
  const auto content = bench.make("lab/set", {{"a", "1"}});
  const auto outside = bench.to().parent_path() / "outside";
  fs::create_directory(outside);
  SECTION("by a folder with something else") {
    fs::create_directories(bench.to() / "lab/set");
    std::ofstream(bench.to() / "lab/set/theirs") << "x";
  }
  SECTION("by a file") {
    fs::create_directories(bench.to() / "lab");
    std::ofstream(bench.to() / "lab/set") << "x";
  }
  SECTION("by a link that leads nowhere") {
    fs::create_directories(bench.to() / "lab");
    fs::create_symlink("nowhere", bench.to() / "lab/set");
  }
  SECTION("or its folder is a link out of the root") { fs::create_directory_symlink(outside, bench.to() / "lab"); }
  const auto end = bench.move(bench.transfer("lab/set", content));
  CHECK(to_string(end.outcome->end) == "DESTINATION_EXISTS");
  CHECK(fs::is_empty(outside));
  CHECK(bench.has_nothing_but({"lab"}));
}

TEST_CASE("a quota is kept before anything is sent") {
  MoverBench bench(GENERATE(from_range(one_way_everyday())));
  auto transfer = bench.transfer("set", bench.make("set", {{"a", "1"}, {"sub/b", "22"}}));
  auto expected = TransferEnd::moved;
  SECTION("of bytes") {
    transfer.room.bytes = Bytes{2};
    expected = TransferEnd::quota_bytes;
  }
  SECTION("of inodes: two files, two folders") {
    transfer.room.files = 3;
    expected = TransferEnd::quota_files;
  }
  SECTION("that is just enough") { transfer.room = {.bytes = Bytes{3}, .files = 4}; }
  const auto end = bench.move(transfer);
  CHECK(to_string(end.outcome->end) == to_string(expected));
  CHECK(bench.has_nothing_but(expected == TransferEnd::moved ? std::vector<std::string>{"set"} : std::vector<std::string>{}));
}

TEST_CASE("a cancelled transfer leaves nothing behind") {
  MoverBench bench(GENERATE(from_range(both_ways_with_rclone())));
  const auto content = bench.make("set", small_and_large());
  const auto transfer = bench.transfer("set", content);
  bench.options().most_per_second = kSlowly;
  bench.start(transfer);
  bench.follow(transfer.id, [](const auto& status) { return status.progress.bytes > Bytes{0}; });
  SECTION("that runs") {}
  SECTION("that was interrupted") { bench.kill_supervisor(transfer.id); }
  REQUIRE(bench.ask(bench.mover().cancel(transfer.id, bench.soon())));
  REQUIRE(bench.follow(transfer.id).outcome->end == TransferEnd::cancelled);
  CHECK(bench.has_nothing_but({}));
  CHECK(bench.start(transfer).outcome->end == TransferEnd::cancelled);  // a new try is a new transfer
}

TEST_CASE("what another mover is at is left to it") {
  MoverBench bench(GENERATE(from_range(one_way_everyday())));
  const auto content = bench.make("set", four_files());
  const auto first = bench.transfer("set", content);
  bench.shut_gate();
  bench.start(first);
  bench.follow(first.id, [](const auto& status) { return status.phase == TransferPhase::copying; });
  const auto second = bench.transfer("set", content);
  auto& other = bench.another_mover();
  REQUIRE(bench.ask(other.start(second, bench.soon())));
  for (int wait = 0;; ++wait) {
    const auto told = bench.ask(other.status({second.id}, bench.soon()));
    REQUIRE(told);
    if (told->front().phase != TransferPhase::ended) {
      REQUIRE(wait < 6000);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      continue;
    }
    CHECK(told->front().outcome->end == TransferEnd::moved_elsewhere);
    break;
  }
  bench.open_gate();
  CHECK(bench.follow(first.id).outcome->end == TransferEnd::moved);
  CHECK(bench.has_nothing_but({"set"}));
}

TEST_CASE("what is asked wrongly is refused at once") {
  MoverBench bench(GENERATE(from_range(one_way_everyday())));
  const auto content = bench.make("set", {{"a", "1"}});
  auto transfer = bench.transfer("set", content);
  const auto refusal = [&] {
    const auto started = bench.ask(bench.mover().start(transfer, bench.soon()));
    REQUIRE(!started);
    return started.error().code;
  };
  SECTION("a path out of the root") {
    transfer.to.path = "../set";
    CHECK(refusal() == "BAD_TRANSFER");
  }
  SECTION("the mover's own folder") {
    transfer.to.path = ".hansa/set";
    CHECK(refusal() == "BAD_TRANSFER");
  }
  SECTION("a root that nobody configured") {
    transfer.to.root = domain::RootName("other");
    CHECK(refusal() == "ROOT_UNKNOWN");
  }
  SECTION("an id that is another transfer's") {
    bench.move(transfer);
    transfer.to.path = "other";
    CHECK(refusal() == "TRANSFER_ID_REUSED");
  }
  SECTION("a transfer that nobody knows is not cancelled") {
    const auto cancelled = bench.ask(bench.mover().cancel(transfer.id, bench.soon()));
    REQUIRE(!cancelled);
    CHECK(cancelled.error().code == "TRANSFER_NOT_FOUND");
    CHECK(bench.status(transfer.id).phase == TransferPhase::not_seen);
  }
}

TEST_CASE("a full destination gets its space back") {
  if (::geteuid() != 0) {
    WARN("skipped: a small file system of its own needs root to mount it");
    return;
  }
  MoverBench bench(GENERATE(from_range(both_ways_with_rclone())));
  const SmallFileSystem full(bench.to());
  SECTION("of bytes, seen beforehand") {
    const auto end = bench.move(bench.transfer("set", bench.make("set", four_files())));
    CHECK(to_string(end.outcome->end) == "NO_SPACE");
  }
  SECTION("of inodes, seen beforehand") {
    Files files;
    for (int i = 0; i < 300; ++i) files.emplace_back(std::to_string(i), "x");
    CHECK(to_string(bench.move(bench.transfer("set", bench.make("set", files))).outcome->end) == "NO_SPACE");
  }
  SECTION("by somebody else, while it is copied") {
    Files files;  // more than rclone copies at a time: those it reserves space for
    for (int i = 0; i < 10; ++i) files.emplace_back("part-" + std::to_string(i), random_bytes(kMiB / 5));
    const auto content = bench.make("set", files);
    bench.shut_gate();
    const auto transfer = bench.transfer("set", content);
    bench.start(transfer);
    bench.follow(transfer.id, [](const auto& status) { return status.phase == TransferPhase::copying; });
    std::ofstream(bench.to() / "theirs") << random_bytes(3 * kMiB);  // as much as fits
    bench.open_gate();
    const auto end = bench.follow(transfer.id);
    CHECK(to_string(end.outcome->end) == "NO_SPACE");
    fs::remove(bench.to() / "theirs");
  }
  CHECK(bench.has_nothing_but({}));
  CHECK(fs::space(bench.to()).available == fs::space(bench.to()).capacity);
}

TEST_CASE("nothing is sent to a host that is not the one that was pinned", "[T23]") {
  MoverBench bench(GENERATE(from_range(both_ways_with_rclone())));
  if (bench.server() == nullptr) return;  // folders only
  const auto other_key = bench.server_of_its_own().other_key();
  const auto content = bench.make("set", {{"a", "1"}});
  const auto with = [&](auto change) {
    for (auto& [place, root] : bench.options().roots) {
      if (auto* sftp = std::get_if<connectors::mover::SftpRoot>(&root)) *sftp = change(*sftp);
    }
    return bench.move(bench.transfer("set", content)).outcome->end;
  };
  SECTION("another host key") {
    CHECK(with([&](const auto& root) { return bench.server()->root_with_wrong_key(root.folder); }) ==
          TransferEnd::access_refused);
  }
  SECTION("no host key at all") {
    CHECK(with([](auto root) { return root.known_hosts = "/dev/null", root; }) == TransferEnd::access_refused);
  }
  SECTION("a key that is not allowed in") {
    CHECK(with([&](auto root) { return root.key_file = other_key, root; }) == TransferEnd::access_refused);
  }
  SECTION("a server that is down") {
    bench.server()->stop();
    CHECK(with([](auto root) { return root; }) == TransferEnd::unreachable);
  }
  CHECK(bench.has_nothing_but({}));
}

}  // namespace hansa::contract
