// SPDX-License-Identifier: Apache-2.0
// The ledger's key and what it signed last, as files: there, missing, damaged, open to others, and on a disk that takes no more.
#include "broker/app/ledger_key.hpp"

#include "simulation/seeded_random.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <iterator>

namespace hansa::app {
namespace {

constexpr const char* kName = "hansa/b1";

/// A state folder, and the keys that a broker finds there at its start.
class KeyFolder {
 public:
  engine::LedgerKeys start() { return ledger_keys(folder.path, kName, random_).value(); }
  [[nodiscard]] std::filesystem::path file(const std::string& name = "ledger.key") const { return folder.path / name; }
  void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::filesystem::remove_all(file(name));
    std::ofstream(file(name), std::ios::binary) << text;
    REQUIRE(::chmod(file(name).c_str(), mode) == 0);
  }
  [[nodiscard]] std::string read(const std::string& name = "ledger.key") const {
    std::ifstream in(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] std::size_t files() const {
    const std::filesystem::directory_iterator all(folder.path);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
  [[nodiscard]] unsigned mode(const std::string& name = "ledger.key") const {
    struct stat found{};
    REQUIRE(::lstat(file(name).c_str(), &found) == 0);
    return found.st_mode & 07777U;
  }

  tests::TemporaryFolder folder;

 private:
  simulation::SeededRandom random_{3};
};

/// No file of this process grows beyond so many bytes: a disk that is full, for whoever writes.
class FullDisk {
 public:
  explicit FullDisk(rlim_t room) : before_signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit full{.rlim_cur = room, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &full);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, before_signal_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  void (*before_signal_)(int);
  rlimit before_{};
};

std::string public_text(const Result<std::optional<ledger::Signer>>& key) { return key.value().value().verifier().text(); }

void check_unusable(const Error& error, const std::filesystem::path& file) {
  CHECK(error.code == "LEDGER_KEY_UNUSABLE");
  CHECK_THAT(error.message, Catch::StartsWith(file.string() + " "));
}

}  // namespace

TEST_CASE("a key is drawn into a file of its owner's alone, and found again") {
  KeyFolder keys;
  auto none = keys.start();
  REQUIRE(none.current);
  CHECK_FALSE(*none.current);
  REQUIRE(none.next);
  CHECK_FALSE(*none.next);
  REQUIRE(none.signed_last);
  CHECK_FALSE(*none.signed_last);
  CHECK(keys.files() == 0);  // looking makes nothing

  const auto drawn = none.draw_first();
  REQUIRE(drawn);
  CHECK(keys.mode() == 0600);
  CHECK(keys.files() == 1);
  CHECK(drawn->name == kName);
  CHECK(public_text(keys.start().current) == drawn->verifier().text());
  keys.write("ledger.key", keys.read() + "\n\n");  // an editor's
  CHECK(public_text(keys.start().current) == drawn->verifier().text());
}

TEST_CASE("a key that is damaged is none, and the message has the file and the remedy") {
  KeyFolder keys;
  REQUIRE(keys.start().draw_first());
  const auto good = keys.read();
  auto flipped = good;
  flipped[good.size() / 2] = flipped[good.size() / 2] == 'A' ? 'B' : 'A';
  for (const auto& text : {std::string(), std::string("\n"), std::string("no key"), good.substr(0, good.size() / 2), good + good,
                           std::string(1 << 20, 'x'), std::string(200, '\0'), flipped}) {
    INFO(text.substr(0, 100));
    keys.write("ledger.key", text);
    const auto start = keys.start();
    REQUIRE_FALSE(start.current);
    check_unusable(start.current.error(), keys.file());
    CHECK_THAT(start.current.error().message, Catch::Contains("restore it from a backup"));
    CHECK(start.next);
    keys.write("ledger.key.next", text);
    REQUIRE_FALSE(keys.start().next);
    check_unusable(keys.start().next.error(), keys.file("ledger.key.next"));
    std::filesystem::remove(keys.file("ledger.key.next"));
  }
}

TEST_CASE("a key that others may read, or that is no file, is not used") {
  KeyFolder keys;
  REQUIRE(keys.start().draw_first());
  const auto good = keys.read();
  for (const mode_t mode : {0640U, 0604U, 0660U, 0606U, 0610U, 0601U}) {
    INFO(mode);
    keys.write("ledger.key", good, mode);
    const auto start = keys.start();
    REQUIRE_FALSE(start.current);
    check_unusable(start.current.error(), keys.file());
    CHECK_THAT(start.current.error().message, Catch::Contains("chmod 0600"));
    CHECK(keys.read() == good);
  }
  keys.write("ledger.key", good, 0400);
  CHECK(keys.start().current);
  keys.write("elsewhere", good);
  std::filesystem::remove(keys.file());
  std::filesystem::create_symlink(keys.file("elsewhere"), keys.file());
  REQUIRE_FALSE(keys.start().current);
  check_unusable(keys.start().current.error(), keys.file());
  std::filesystem::remove(keys.file());
  std::filesystem::create_directory(keys.file());
  REQUIRE_FALSE(keys.start().current);
  check_unusable(keys.start().current.error(), keys.file());
  std::filesystem::remove(keys.file());
  std::filesystem::create_symlink(keys.file("nowhere"), keys.file());
  CHECK_FALSE(keys.start().current);
}

TEST_CASE("another key becomes the current one at once, or not at all") {
  KeyFolder keys;
  auto start = keys.start();
  const auto first = start.draw_first();
  REQUIRE(first);
  const auto next = start.draw_next();
  REQUIRE(next);
  CHECK(next->verifier().text() != first->verifier().text());
  CHECK(keys.mode("ledger.key.next") == 0600);
  CHECK(public_text(keys.start().current) == first->verifier().text());
  CHECK(public_text(keys.start().next) == next->verifier().text());
  const auto again = start.draw_next();  // in place of the other
  REQUIRE(again);
  CHECK(public_text(keys.start().next) == again->verifier().text());
  REQUIRE(start.next_becomes_current());
  CHECK(public_text(keys.start().current) == again->verifier().text());
  CHECK_FALSE(*keys.start().next);
  const auto gone = start.next_becomes_current();
  REQUIRE_FALSE(gone);
  check_unusable(gone.error(), keys.file("ledger.key.next"));
  CHECK(public_text(keys.start().current) == again->verifier().text());
}

TEST_CASE("what was signed last is kept, and what cannot be read is not taken for nothing") {
  KeyFolder keys;
  auto start = keys.start();
  const ledger::Checkpoint first{kName, 7, ledger::Hash{1}}, second{kName, 9, ledger::Hash{2}};
  REQUIRE(start.keep_signed(first));
  CHECK(keys.start().signed_last.value() == first);
  const auto old = keys.read("ledger.signed");
  REQUIRE(start.keep_signed(second));
  CHECK(keys.mode("ledger.signed") == 0600);
  CHECK(keys.start().signed_last.value() == second);
  keys.write("ledger.signed", old);  // put back: the database tells, or a witness
  CHECK(keys.start().signed_last.value() == first);
  for (const auto& text : {std::string(), std::string("hansa/b1\n"), old.substr(0, old.size() - 5), "x" + std::string(300, '\n'),
                           std::string("hansa/b1\n-7\n") + old.substr(old.find('\n', 9) + 1)}) {
    INFO(text);
    keys.write("ledger.signed", text);
    const auto damaged = keys.start();
    REQUIRE_FALSE(damaged.signed_last);
    check_unusable(damaged.signed_last.error(), keys.file("ledger.signed"));
    CHECK_THAT(damaged.signed_last.error().message, Catch::Contains("witnesses"));
  }
  std::filesystem::remove(keys.file("ledger.signed"));
  std::filesystem::create_directory(keys.file("ledger.signed"));
  CHECK_FALSE(keys.start().signed_last);
}

TEST_CASE("on a full disk no half a key is left, and what was there stays") {
  KeyFolder keys;
  auto start = keys.start();
  for (const rlim_t room : {0UL, 10UL}) {
    {
      const FullDisk full(room);
      CHECK_FALSE(start.draw_first());
    }
    CHECK(keys.files() == 0);
    CHECK_FALSE(*keys.start().current);
  }
  const auto first = start.draw_first();
  REQUIRE(first);
  const ledger::Checkpoint before{kName, 7, ledger::Hash{1}};
  REQUIRE(start.keep_signed(before));
  for (const rlim_t room : {0UL, 10UL}) {
    {
      const FullDisk full(room);
      CHECK_FALSE(start.draw_next());
      CHECK_FALSE(start.keep_signed({kName, 9, ledger::Hash{2}}));
    }
    CHECK(keys.files() == 2);
    CHECK(public_text(keys.start().current) == first->verifier().text());
    CHECK_FALSE(*keys.start().next);
    CHECK(keys.start().signed_last.value() == before);
  }
}

}  // namespace hansa::app
