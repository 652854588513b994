// SPDX-License-Identifier: Apache-2.0
// What goes well, also on the second attempt.
#include "tests/contract/mover/mover_bench.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>
#include <thread>

namespace hansa::contract {
namespace {

using connectors::mover::Tool;
using domain::Bytes;
using domain::TransferEnd;
using domain::TransferPhase;

std::string bytes_of(const fs::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

void require_arrived(const fs::path& folder, const Files& files) {
  for (const auto& [name, bytes] : files) {
    INFO(name);
    REQUIRE(fs::is_regular_file(folder / name));
    REQUIRE(bytes_of(folder / name) == bytes);
  }
}

/// Parts that soon are whole, and then one that is long on its way: kSlowSize together.
Files parts_and_rest() {
  Files files;
  for (std::size_t i = 0; i < 8; ++i) files.emplace_back("part-" + std::to_string(i), random_bytes(kMiB / 32));
  files.emplace_back("rest", random_bytes(kSlowSize - 8 * kMiB / 32));
  return files;
}

}  // namespace

TEST_CASE("a dataset of any names arrives whole and becomes visible at once") {
  MoverBench bench(GENERATE(from_range(ends_under_test())));
  Files files = {{"plain.txt", "hello"},
                 {"empty", ""},
                 {"a/b/c/deep", "deep"},
                 {"-rf", "a leading dash"},
                 {"--delete", "two of them"},
                 {" leading and trailing ", "spaces"},
                 {"quote\"s and 'quotes'", "quotes"},
                 {"back\\slash", "backslash"},
                 {"$(touch pwned) `touch pwned`; #", "shell"},
                 {"*?[a-z]{x}", "glob"},
                 {"sm\xc3\xb8rrebr\xc3\xb8"
                  "d \xe2\x98\x83",
                  "UTF-8"},
                 {"e\xcc\x81 and \xc3\xa9", "two spellings"},
                 {".hidden", "hidden"},
                 {"host:path", "colon"},
                 {std::string(255, 'n'), "as long as a name may be"}};
  if (tool_under_test() == Tool::rsync) {
    for (const auto* name : {"not UTF-8 \xff\xfe", "tab\there", "new\nline", "carriage\rreturn", "con\x01trol", "\xe2\x90\x8a",
                             "\xe2\x80\x9b\xe2\x90\x8a"}) {
      files.emplace_back(name, "what rclone would give another name");
    }
  }
  const auto content = bench.make("lab/set [1]", files);
  fs::create_directories(bench.from() / "lab/set [1]/an empty folder");
  const auto transfer = bench.transfer("lab/set [1]", content);

  const auto end = bench.move(transfer);
  REQUIRE(end.outcome->end == TransferEnd::moved);
  CHECK(end.outcome->at > from_unix_ms(0));
  CHECK(end.progress.bytes == content.size);
  CHECK(end.progress.files == content.files);
  CHECK(end.progress.sent == content.size);
  CHECK(end.progress.verified == content.size);
  require_arrived(bench.to() / "lab/set [1]", files);
  CHECK(fs::is_directory(bench.to() / "lab/set [1]/an empty folder"));
  CHECK(bench.has_nothing_but({"lab"}));

  SECTION("asked again, it is the same transfer, and nothing more is done") {
    CHECK(bench.start(transfer) == end);
    CHECK(bench.status(transfer.id) == end);
  }
  SECTION("another transfer finds the dataset there and sends nothing") {
    const auto again = bench.move(bench.transfer("lab/set [1]", content));
    REQUIRE(again.outcome->end == TransferEnd::moved);
    CHECK(again.progress.sent == Bytes{0});
    CHECK(again.progress.verified == content.size);
    CHECK(bench.has_nothing_but({"lab"}));
  }
  SECTION("once forgotten it is not seen; what it moved stays") {
    REQUIRE(bench.ask(bench.mover().forget({transfer.id}, bench.soon())));
    CHECK(bench.status(transfer.id).phase == TransferPhase::not_seen);
    CHECK(fs::exists(bench.to() / "lab/set [1]/plain.txt"));
  }
}

TEST_CASE("an empty dataset is one") {
  MoverBench bench(GENERATE(from_range(one_way_everyday())));
  const auto content = bench.make("set", {});
  fs::create_directory(bench.from() / "set");
  REQUIRE(bench.move(bench.transfer("set", content)).outcome->end == TransferEnd::moved);
  CHECK(fs::is_directory(bench.to() / "set"));
}

TEST_CASE("one large file arrives") {
  const auto size = everyday_or_soak(32, 256) * kMiB;
  MoverBench bench(GENERATE(from_range(both_ways_with_rclone())));
  const auto content = bench.make("set", {{"large", random_bytes(size)}});
  const auto transfer = bench.transfer("set", content);
  bench.start(transfer);
  bool visible = false;  // before it was asked
  const auto end = bench.follow(transfer.id, [&](const auto& status) {
    REQUIRE((status.phase == TransferPhase::verifying || !visible));
    visible = fs::exists(bench.to() / "set");
    return false;
  });
  REQUIRE(end.outcome->end == TransferEnd::moved);
  CHECK(fs::file_size(bench.to() / "set/large") == size);
}

TEST_CASE("many small files arrive") {
  const auto count = everyday_or_soak(500, 5000);
  MoverBench bench(GENERATE(from_range(both_ways_with_rclone())));
  Files files;
  for (std::size_t i = 0; i < count; ++i)
    files.emplace_back("d" + std::to_string(i % 50) + "/f" + std::to_string(i), std::to_string(i));
  const auto content = bench.make("set", files);
  const auto end = bench.move(bench.transfer("set", content));
  REQUIRE(end.outcome->end == TransferEnd::moved);
  CHECK(end.progress.files == static_cast<std::int64_t>(count));
  require_arrived(bench.to() / "set", {files.front(), files[count / 2], files.back()});
}

TEST_CASE("killed half-way it is found interrupted, and goes on with less to send") {
  MoverBench bench(GENERATE(from_range(ends_under_test())));
  // rclone goes on with the next file, rsync within one as well.
  const auto files = tool_under_test() == Tool::rsync ? Files{{"rest", random_bytes(kSlowSize)}} : parts_and_rest();
  const auto content = bench.make("set", files);
  const auto transfer = bench.transfer("set", content);
  bench.options().most_per_second = kSlowly;
  bench.start(transfer);
  const auto half_way = [](const auto& status) {
    return tool_under_test() == Tool::rsync ? status.progress.bytes > kSlowly : status.progress.files >= 4;
  };
  REQUIRE(bench.follow(transfer.id, half_way).phase == TransferPhase::copying);

  bench.kill_supervisor(transfer.id);
  CHECK(!fs::exists(bench.to() / "set"));
  bench.options().most_per_second = {0};
  bench.start(transfer);
  const auto end = bench.follow(transfer.id);
  REQUIRE(end.outcome->end == TransferEnd::moved);
  CHECK(end.progress.sent > Bytes{0});
  CHECK(end.progress.sent <= content.size - Bytes{kMiB / 16});
  require_arrived(bench.to() / "set", files);
  const bool mounted =
      std::holds_alternative<connectors::mover::FolderRoot>(bench.options().roots.at({transfer.to.site, transfer.to.root}));
  if (mounted)  // its group reads what was cut as well
    CHECK((fs::status(bench.to() / "set/rest").permissions() & fs::perms::mask) == fs::perms(0640));
  CHECK(bench.has_nothing_but({"set"}));
}

TEST_CASE("a mover that was killed between its last two steps finds its work done") {
  if (by_jobs_under_test()) return;  // whose result is in another place: job_mover_contract.cpp
  MoverBench bench(GENERATE(from_range(one_way_everyday())));
  const auto content = bench.make("set", {{"a", "1"}});
  const auto transfer = bench.transfer("set", content);
  REQUIRE(bench.move(transfer).outcome->end == TransferEnd::moved);
  // As it is after the rename: the mark is there and no result.
  const auto id = bytes_of(bench.options().spool + "/mover");
  fs::create_symlink(id, bench.staged(transfer).parent_path().replace_extension(".mover"));
  fs::remove(bench.options().spool + "/transfers/" + transfer.id.str() + "/result.json");
  REQUIRE(bench.status(transfer.id).phase == TransferPhase::interrupted);
  const auto end = bench.move(transfer);
  REQUIRE(end.outcome->end == TransferEnd::moved);
  CHECK(end.progress.sent == Bytes{0});
  CHECK(bench.has_nothing_but({"set"}));
}

TEST_CASE("two transfers of one dataset to one destination move its bytes once") {
  if (by_jobs_under_test()) return;  // which find each other later: job_mover_contract.cpp
  MoverBench bench(GENERATE(from_range(one_way_everyday())));
  const auto content = bench.make("set", {{"a", random_bytes(kMiB)}, {"b", random_bytes(kMiB)}});
  bench.shut_gate();
  const auto first = bench.transfer("set", content);
  const auto second = bench.transfer("set", content);
  bench.start(first);
  bench.start(first);
  CHECK(bench.start(second).moved_by == first.id);

  SECTION("and both have moved it") {
    bench.open_gate();
    const auto end = bench.follow(second.id);
    REQUIRE(end.outcome->end == TransferEnd::moved);
    CHECK(end.moved_by == first.id);
    CHECK(end.progress.sent == content.size);
    CHECK(bench.status(first.id).outcome == end.outcome);
    CHECK(bench.has_nothing_but({"set"}));
  }
  SECTION("one that only shares is cancelled without harm to the other") {
    REQUIRE(bench.ask(bench.mover().cancel(second.id, bench.soon())));
    CHECK(bench.status(second.id).outcome->end == TransferEnd::cancelled);
    bench.open_gate();
    CHECK(bench.follow(first.id).outcome->end == TransferEnd::moved);
  }
  SECTION("the second goes on alone when the first was interrupted") {
    bench.kill_supervisor(first.id);
    CHECK(bench.status(second.id).phase == TransferPhase::interrupted);
    bench.open_gate();
    CHECK(bench.start(second).moved_by == second.id);
    CHECK(bench.follow(second.id).outcome->end == TransferEnd::moved);
  }
}

TEST_CASE("what a transfer that could not reach the other end has left, the next one goes on with") {
  MoverBench bench(GENERATE(from_range(both_ways_with_rclone())));
  const auto content = bench.make("set", parts_and_rest());
  // A transfer that ended UNREACHABLE leaves its mark and its copy; so does one that is never started again.
  bench.options().most_per_second = kSlowly;
  const auto first = bench.transfer("set", content);
  bench.start(first);
  bench.follow(first.id, [](const auto& status) { return status.progress.files >= 4; });
  bench.kill_supervisor(first.id);
  bench.options().most_per_second = {0};
  const auto end = bench.move(bench.transfer("set", content));
  REQUIRE(end.outcome->end == TransferEnd::moved);
  CHECK(end.progress.sent < content.size);
  CHECK(bench.has_nothing_but({"set"}));
}

TEST_CASE("what lies behind WebDAV is taken from there by rclone, and read back here") {
  if (tool_under_test() != Tool::rclone || ends_under_test().front() != Ends::folders) return;  // once
  MoverBench bench(Ends::from_webdav);
  const Files files = {{"plain.txt", "hello"},
                       {"empty", ""},
                       {"a/b/c/deep", random_bytes(kMiB)},
                       {"-rf", "a leading dash"},
                       {"$(touch pwned) `touch pwned`; [1]*?#%", "shell, globs and what a URL would read"},
                       {"back\\slash \"quoted\" sm\xc3\xb8rrebr\xc3\xb8"
                        "d",
                        "odd"}};
  const auto content = bench.make("lab/set [1]", files);
  auto expected = TransferEnd::moved;
  SECTION("whole") {}
  SECTION("it is not there") {
    fs::remove_all(bench.from() / "lab");
    expected = TransferEnd::source_missing;
  }
  SECTION("a file is in its place") {
    fs::remove_all(bench.from() / "lab/set [1]");
    std::ofstream(bench.from() / "lab/set [1]") << "file";
    expected = TransferEnd::source_missing;
  }
  SECTION("a file less") {
    fs::remove(bench.from() / "lab/set [1]/empty");
    expected = TransferEnd::source_differs;
  }
  SECTION("other bytes of the same size") {
    std::ofstream(bench.from() / "lab/set [1]/plain.txt") << "HELLO";
    expected = TransferEnd::checksum_mismatch;
  }
  SECTION("a password that is wrong") {
    bench.webdav()->forget_password();
    expected = TransferEnd::unreachable;
  }
  SECTION("a server that is down") {
    bench.webdav()->stop();
    expected = TransferEnd::unreachable;
  }
  const auto end = bench.move(bench.transfer("lab/set [1]", content));
  INFO(end.outcome->message << ": " << end.outcome->detail);
  CHECK(to_string(end.outcome->end) == to_string(expected));
  if (expected == TransferEnd::moved) {
    CHECK(bench.has_nothing_but({"lab"}));
    CHECK(fs::file_size(bench.to() / "lab/set [1]/a/b/c/deep") == kMiB);
  } else {
    CHECK_FALSE(fs::exists(bench.to() / "lab"));
  }
}

TEST_CASE("nothing is brought to what lies behind WebDAV") {
  if (tool_under_test() != Tool::rclone || ends_under_test().front() != Ends::folders) return;
  MoverBench bench(Ends::from_webdav);
  auto& roots = bench.options().roots;
  const auto remote = roots.begin()->second;
  for (auto& [place, root] : roots) root = remote;
  const auto content = bench.make("set", {{"a", "1"}});
  const auto refused = bench.ask(bench.mover().start(bench.transfer("set", content), bench.soon()));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "BAD_TRANSFER");
}

}  // namespace hansa::contract
