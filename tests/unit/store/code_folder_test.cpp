// SPDX-License-Identifier: Apache-2.0
#include "broker/store/code_folder.hpp"

#include "broker/core/digest.hpp"
#include "broker/domain/code_archive.hpp"

#include "temporary_folder.hpp"
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>

#include <fstream>

namespace hansa::store {

namespace {

namespace fs = std::filesystem;

const Principal kAlice("local:alice"), kBob("local:bob");

struct SetClock final : Clock {
  UtcTime utc = from_unix_seconds(1'800'000'000);
  [[nodiscard]] UtcTime now_utc() const override { return utc; }
  [[nodiscard]] MonotonicTime now_monotonic() const override { return {}; }
};

std::string archive_with(const std::string& text) {
  return domain::code_header({.path = "f", .size = text.size()}) + text + domain::code_padding(text.size()) + domain::code_end();
}
CodeId id_of(const std::string& archive) { return domain::code_id_of(sha256_hex(archive)); }

struct Shelf {
  TemporaryFolder folder;
  SetClock clock;
  CodeFolder::Options options{
      .folder = folder.path() / "code", .most_bytes = 1 << 20, .quota_bytes = 5'000'000, .keep = Seconds{86'400 * 7}};
  std::unique_ptr<CodeFolder> code = std::make_unique<CodeFolder>(options, clock);

  template <class T>
  static Result<T> ask(async::Task<T> task) {
    boost::asio::io_context context;
    auto answer = boost::asio::co_spawn(context, std::move(task), boost::asio::use_future);
    context.run();
    return answer.get();
  }
  Result<ports::CodeState> put(const std::string& archive, std::size_t offset = 0, std::size_t count = std::string::npos,
                               const Principal& owner = kAlice, std::set<CodeId> in_use = {}) {
    return ask(code->put(owner,
                         {.id = id_of(archive), .size = archive.size(), .offset = offset, .bytes = archive.substr(offset, count)},
                         std::move(in_use)));
  }
  std::optional<ports::CodeState> look(const std::string& archive, const Principal& owner = kAlice) {
    return ask(code->look(owner, id_of(archive))).value();
  }
  [[nodiscard]] std::size_t files() const {
    std::size_t count = 0;
    std::error_code none;
    for (const auto& entry : fs::recursive_directory_iterator(options.folder, none)) count += entry.is_regular_file() ? 1 : 0;
    return count;
  }
};

}  // namespace

TEST_CASE("code comes in pieces, and is there once it is right", "[code]") {
  Shelf shelf;
  const auto archive = archive_with(std::string(3000, 'x'));
  CHECK_FALSE(shelf.look(archive));
  CHECK(shelf.put(archive, 0, 1000)->received == 1000);
  CHECK_FALSE(shelf.look(archive)->complete);
  CHECK(Shelf::ask(shelf.code->read(kAlice, id_of(archive), 0, 10)).error().code == "CODE_NOT_HERE");
  const auto gap = shelf.put(archive, 1001, 10);
  CHECK(gap.error().code == "CODE_GAP");
  CHECK(gap.error().kind == ErrorKind::conflict);
  shelf.code = std::make_unique<CodeFolder>(shelf.options, shelf.clock);  // another process
  CHECK(shelf.look(archive)->received == 1000);
  CHECK(shelf.put(archive, 500, 1500)->received == 2000);  // some of it again
  const auto done = shelf.put(archive, 2000);
  REQUIRE(done);
  CHECK(done->complete);
  CHECK(shelf.look(archive)->size == archive.size());
  CHECK(shelf.put(archive)->complete);  // all of it again
  CHECK(shelf.files() == 1);
  CHECK(Shelf::ask(shelf.code->read(kAlice, id_of(archive), 0, 1 << 20)) == archive);
  CHECK(Shelf::ask(shelf.code->read(kAlice, id_of(archive), 600, 7)) == archive.substr(600, 7));
  CHECK(Shelf::ask(shelf.code->read(kAlice, id_of(archive), archive.size(), 7)) == "");
}

TEST_CASE("code is its owner's alone", "[code]") {
  Shelf shelf;
  const auto archive = archive_with("mine");
  REQUIRE(shelf.put(archive));
  CHECK_FALSE(shelf.look(archive, kBob));
  CHECK(Shelf::ask(shelf.code->read(kBob, id_of(archive), 0, 10)).error().code == "CODE_NOT_HERE");
  CHECK((fs::status(shelf.options.folder).permissions() & fs::perms::all) == fs::perms::owner_all);
}

TEST_CASE("what is not what it was called, or no archive of code, is gone at once", "[code]") {
  Shelf shelf;
  const auto archive = archive_with("right");
  auto wrong = archive;
  wrong[512] = 'w';
  const auto put = [&](const std::string& bytes, const CodeId& id) {
    return Shelf::ask(shelf.code->put(kAlice, {.id = id, .size = bytes.size(), .offset = 0, .bytes = bytes}, {}));
  };
  CHECK(put(wrong, id_of(archive)).error().code == "CODE_MISMATCH");
  CHECK(put("not a tar", id_of("not a tar")).error().code == "BAD_CODE");
  CHECK(put("", id_of("")).error().code == "BAD_CODE");
  CHECK(shelf.files() == 0);
  CHECK(put(archive, id_of(archive))->complete);
  // Begun with a size that was wrong: the right one begins anew.
  const auto other = archive_with("other");
  REQUIRE(Shelf::ask(
      shelf.code->put(kAlice, {.id = id_of(other), .size = 9'000, .offset = 0, .bytes = std::string(8'000, 'x')}, {})));
  CHECK(shelf.put(other)->complete);
  CHECK(Shelf::ask(shelf.code->put(kAlice, {.id = id_of("x"), .size = 5, .offset = 3, .bytes = "xxx"}, {})).error().code ==
        "CODE_PIECE");
}

TEST_CASE("code has bounds: of one archive, and of one owner's", "[code]") {
  Shelf shelf;
  const auto large = archive_with(std::string((1 << 20) - 2000, 'x'));
  std::vector<std::string> archives;
  for (char c = 'a'; c < 'f'; ++c) archives.push_back(archive_with(std::string((1 << 20) - 2000, c)));
  CHECK(shelf.put(archive_with(std::string(1 << 20, 'x')), 0, 1000).error().code == "CODE_TOO_LARGE");
  for (std::size_t i = 0; i < 4; ++i) {
    REQUIRE(shelf.put(archives[i]));
    shelf.clock.utc += Seconds{60};
  }
  // What came just now is about to be named by a job.
  const auto full = shelf.put(archives[4]);
  CHECK(full.error().code == "CODE_QUOTA");
  CHECK(full.error().kind == ErrorKind::too_large);
  CHECK(shelf.put(archives[4], 0, std::string::npos, kBob));  // another's shelf
  shelf.clock.utc += Seconds{3'700};
  REQUIRE(shelf.look(archives[1]));                            // used: the others are older now
  REQUIRE(shelf.put(archives[4], 0, std::string::npos, kAlice, {id_of(archives[0])}));
  CHECK(shelf.look(archives[0]));
  CHECK(shelf.look(archives[1]));
  CHECK_FALSE(shelf.look(archives[2]));  // the longest unused that no job needs
  CHECK(shelf.look(archives[3]));
}

TEST_CASE("what no job needs goes when its time is up", "[code]") {
  Shelf shelf;
  const auto kept = archive_with("kept"), old = archive_with("old"), unfinished = archive_with("unfinished");
  REQUIRE(shelf.put(kept));
  REQUIRE(shelf.put(old));
  REQUIRE(shelf.put(old, 0, std::string::npos, kBob));
  REQUIRE(shelf.put(unfinished, 0, 100));
  CHECK(Shelf::ask(shelf.code->sweep({})) == 0);
  CHECK(shelf.files() == 4);
  shelf.clock.utc += Seconds{2 * 86'400};
  CHECK(Shelf::ask(shelf.code->sweep({})) == 0);  // of the unfinished nobody keeps count
  CHECK(shelf.files() == 3);
  shelf.clock.utc += Seconds{6 * 86'400};
  CHECK(Shelf::ask(shelf.code->sweep({{kAlice, {id_of(kept)}}})) == 2);
  CHECK(shelf.look(kept));
  CHECK(shelf.files() == 1);
  CHECK(std::distance(fs::directory_iterator(shelf.options.folder), {}) == 1);  // bob's folder is gone, too
}

}  // namespace hansa::store
