// SPDX-License-Identifier: Apache-2.0
// An end on this host: nothing outside its root is read, written or removed, whatever lies in the way.
#include "connectors/mover/folder_place.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/sha256_stream.hpp"
#include "broker/domain/manifest.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

using namespace hansa;
using namespace hansa::connectors::mover;
namespace fs = std::filesystem;

namespace {

struct FolderBench {
  tests::TemporaryFolder folder;
  std::unique_ptr<Place> place;

  FolderBench() {
    fs::create_directory(folder / "root");
    fs::create_directory(folder / "outside");
    write("outside/secret", "secret");
    place = open_place(FolderRoot{.folder = folder / "root"}).value();
  }
  void write(const std::string& path, std::string_view bytes) const {
    fs::create_directories(fs::path(folder / path).parent_path());
    std::ofstream(folder / path) << bytes;
  }
  [[nodiscard]] Result<std::string> read(const std::string& path) const {
    std::string bytes;
    const auto done = place->read(path, [&](std::string_view piece) { return bytes += piece, true; });
    if (!done) return std::unexpected(done.error());
    return bytes;
  }
};

const auto kAll = [](domain::Bytes) { return true; };

template <typename T>
std::string code_of(const Result<T>& result) {
  return result ? "" : result.error().code;
}

}  // namespace

TEST_CASE("a dataset is measured as its manifest says") {
  const FolderBench bench;
  bench.write("root/set/a", "hello");
  bench.write("root/set/sub/b\nc", "");
  fs::create_directory(bench.folder / "root/set/empty");
  const auto expected = domain::content_of(
      {{.path = "a", .size = {5}, .sha256 = sha256_hex("hello")}, {.path = "sub/b\nc", .size = {0}, .sha256 = sha256_hex("")}});
  CHECK(measure(*bench.place, "set", kAll).value() == expected);
  CHECK(bench.place->list("set").value().folders == 2);
  CHECK(code_of(measure(*bench.place, "set", [](domain::Bytes) { return false; })) == "CANCELLED");
}

TEST_CASE("the recipe for people makes the same hash") {
  const FolderBench bench;
  bench.write("root/set/b", "hello");
  bench.write("root/set/a-b", "1");
  bench.write("root/set/a/b c", "22");
  bench.write("root/set/a/sm\xc3\xb8r", "333");
  bench.write("root/set/A", "");
  bench.write("root/set/-n", "4444");

  std::ostringstream page;
  page << std::ifstream(HANSA_SOURCE_DIR "/docs/moving-data.md").rdbuf();
  const auto text = page.str();
  const auto begin = text.find("cd DATASET");
  REQUIRE(begin != std::string::npos);
  auto recipe = text.substr(begin, text.find("```", begin) - begin);
  recipe.replace(0, 10, "cd '" + (bench.folder / "root/set") + "'");
  std::ofstream(bench.folder / "recipe") << recipe;
  const std::unique_ptr<FILE, int (*)(FILE*)> answer(::popen(("bash " + (bench.folder / "recipe")).c_str(), "r"), &::pclose);
  std::array<char, 65> hash{};
  REQUIRE(std::fgets(hash.data(), hash.size(), answer.get()) != nullptr);
  CHECK(measure(*bench.place, "set", kAll).value().hash.str() == hash.data());
}

TEST_CASE("a digest in pieces is the digest of the whole") {
  const std::string bytes(100'000, 'x');
  Sha256Stream stream;
  for (std::size_t at = 0; at < bytes.size(); at += 997) stream.add(std::string_view(bytes).substr(at, 997));
  CHECK(stream.finish() == sha256_hex(bytes));
  CHECK(Sha256Stream().finish() == sha256_hex(""));
}

TEST_CASE("nothing is read through a link, or above the root", "[T12]") {
  const FolderBench bench;
  fs::create_symlink("../outside/secret", bench.folder / "root/link");
  fs::create_directory_symlink("../outside", bench.folder / "root/way");
  fs::create_directory_symlink("/", bench.folder / "root/everything");
  for (const auto* path : {"link", "way/secret", "../outside/secret", "everything/etc/passwd", "/etc/passwd"}) {
    INFO(path);
    CHECK(!bench.read(path));
  }
  CHECK(bench.place->look_at("link").value() == Kind::something_else);
  CHECK(bench.place->look_at("way").value() == Kind::something_else);
  CHECK(bench.place->look_at("way/secret").value() == Kind::something_else);
  CHECK(bench.place->look_at("nothing").value() == Kind::nothing);
  CHECK(!bench.place->list("way"));
  CHECK(!bench.place->open_folder("way"));
  CHECK(code_of(bench.place->list("")) == "UNSUITABLE_FILE");
}

TEST_CASE("nothing is written or removed through a link", "[T12]") {
  const FolderBench bench;
  fs::create_directory_symlink("../outside", bench.folder / "root/way");
  CHECK(!bench.place->make_folder("way/in"));
  CHECK(!bench.place->claim("way/mark", "me"));
  bench.write("root/set/a", "1");
  CHECK(!bench.place->rename("set", "way/set"));
  CHECK(!bench.place->rename("set", "../outside/set"));
  REQUIRE(bench.place->remove("way/secret"));  // no folder of ours: nothing to remove
  fs::create_directory_symlink("../../outside", bench.folder / "root/set/way");
  REQUIRE(bench.place->remove("set"));
  CHECK(!fs::exists(bench.folder / "root/set"));
  CHECK(fs::exists(bench.folder / "outside/secret"));
  CHECK(std::distance(fs::directory_iterator(bench.folder / "outside"), {}) == 1);
}

TEST_CASE("a folder that is a link now and none then leads nowhere else", "[T12]") {
  const FolderBench bench;
  bench.write("root/real/secret", "inside");
  std::atomic<bool> done = false;
  std::thread swapper([&] {
    while (!done) {
      fs::create_directory_symlink("../outside", bench.folder / "root/new");
      fs::rename(bench.folder / "root/new", bench.folder / "root/set");
      fs::remove(bench.folder / "root/set");
      fs::create_directory(bench.folder / "root/set");
      fs::create_hard_link(bench.folder / "root/real/secret", bench.folder / "root/set/secret");
      fs::remove_all(bench.folder / "root/set");
    }
  });
  int inside = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto read = bench.read("set/secret");
    if (read) CHECK(*read == "inside");
    inside += read ? 1 : 0;
  }
  done = true;
  swapper.join();
  CHECK(inside >= 0);
}

TEST_CASE("the first to claim a destination holds it") {
  const FolderBench bench;
  CHECK(bench.place->claim("mark", "me").value() == "me");
  CHECK(bench.place->claim("mark", "me").value() == "me");
  CHECK(bench.place->claim("mark", "you").value() == "me");
  REQUIRE(bench.place->remove("mark"));
  CHECK(bench.place->claim("mark", "you").value() == "you");
  bench.write("root/file", "");
  CHECK(!bench.place->claim("file", "me"));
}

TEST_CASE("a rename replaces nothing") {
  const FolderBench bench;
  bench.write("root/set/a", "1");
  fs::create_directory(bench.folder / "root/empty");
  bench.write("root/file", "");
  CHECK(code_of(bench.place->rename("set", "empty")) == "DESTINATION_EXISTS");
  CHECK(code_of(bench.place->rename("set", "file")) == "DESTINATION_EXISTS");
  CHECK(bench.place->rename("set", "moved"));
  CHECK(bench.read("moved/a").value() == "1");
}

TEST_CASE("what is copied is hidden from everybody else") {
  const FolderBench bench;
  REQUIRE(bench.place->make_folder(".hansa/k.copy/h"));
  CHECK((fs::status(bench.folder / "root/.hansa").permissions() & fs::perms::all) == fs::perms::owner_all);
  REQUIRE(bench.place->make_folder(".hansa/k.copy/h"));
}

TEST_CASE("a root that is not there is an end that cannot be reached") {
  const FolderBench bench;
  CHECK(code_of(open_place(FolderRoot{.folder = bench.folder / "unmounted"})) == "UNREACHABLE");
  CHECK(code_of(open_place(FolderRoot{.folder = bench.folder / "outside/secret"})) == "UNREACHABLE");
}
