// SPDX-License-Identifier: Apache-2.0
// What is no archive of ours is refused, whatever else it may be to a tar.
#include "broker/domain/code_archive.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <map>
#include <vector>

namespace hansa::domain {

namespace {

using Kind = CodeEntry::Kind;

struct Packed {
  CodeEntry entry;
  std::string bytes = {};
};

Packed file_of(std::string path, std::string bytes, Kind kind = Kind::file) {
  CodeEntry entry{.path = std::move(path), .kind = kind, .size = bytes.size()};
  return {std::move(entry), std::move(bytes)};
}
Packed link_of(std::string path, std::string target) {
  return {{.path = std::move(path), .kind = Kind::link, .size = 0, .target = std::move(target)}};
}

std::string archive_of(const std::vector<Packed>& all) {
  std::string archive;
  for (const auto& [entry, bytes] : all) archive += code_header(entry) + bytes + code_padding(entry.size);
  return archive + code_end();
}

/// "" if it is one of ours; else what is said of it. In pieces of that size.
std::string archive_fault(std::string_view archive, std::size_t piece = 1'000'000) {
  CodeChecker checker;
  while (!archive.empty()) {
    const auto taken = checker.take(archive.substr(0, piece));
    if (!taken) return taken.error().message;
    archive.remove_prefix(std::min(piece, archive.size()));
  }
  const auto end = checker.finish();
  return end ? "" : end.error().message;
}

/// The sum of a block, made right again after something in it was changed.
void sum_up(std::string& archive, std::size_t block) {
  archive.replace(block + 148, 8, "        ");
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(archive[block + i]);
  std::string digits(6, '0');
  for (auto at = digits.size(); at-- > 0; sum /= 8) digits[at] = static_cast<char>('0' + sum % 8);
  archive.replace(block + 148, 8, digits + std::string("\0 ", 2));
}

}  // namespace

TEST_CASE("an archive of code is read in pieces of any size", "[code]") {
  const auto archive =
      archive_of({file_of("a", ""), file_of("b/run.sh", "#!/bin/sh\n", Kind::program), file_of("b/x", std::string(512, 'x')),
                  file_of("b.txt", std::string(1300, 'y')), file_of("d/" + std::string(200, 'n') + "/e", "long"),
                  link_of("l", "b/x"), link_of("p/q/l", "../../b"), link_of("p/q/m", std::string(120, 't'))});
  CHECK(archive.size() % 512 == 0);
  for (const auto piece :
       {std::size_t{1}, std::size_t{511}, std::size_t{512}, std::size_t{513}, std::size_t{5000}, archive.size()})
    CHECK(archive_fault(archive, piece) == "");
  for (const auto cut : {std::size_t{0}, std::size_t{1}, std::size_t{512}, archive.size() - 512, archive.size() - 1})
    CHECK_THAT(archive_fault(archive.substr(0, cut)), Catch::Contains("it ends before its end"));
}

TEST_CASE("a path of code stays beneath its folder", "[code][T12]") {
  for (const auto* path : {"a", "a/b", "...", ".git", "a b\n\\", ".hansa", "-rf", "a/.hansa-script"})
    CHECK(code_path_fault(path) == "");
  for (const auto* path : {"", "/", "/etc/passwd", ".", "..", "../a", "a/../b", "a/..", "a//b", "a/", "./a", ".hansa-script",
                           ".hansa-script.7/x", ".hansa-bin", ".hansa-bin/hansa-container"})
    CHECK(code_path_fault(path) != "");
  CHECK(code_path_fault(std::string("a\0b", 3)) != "");
  CHECK(code_path_fault(std::string(256, 'a')) != "");
  CHECK(code_path_fault(std::string(254, 'a') + "/" + std::string(255, 'b')) == "");
}

TEST_CASE("a link of code leads nowhere but beneath its folder", "[code][T12]") {
  const std::pair<const char*, const char*> good[] = {
      {"l", "a"},         {"l", "./a"},           {"l", "."},   {"a/l", ".."}, {"a/l", "../b"},
      {"a/b/l", "../.."}, {"a/b/l", ".././../c"}, {"l", "a//b"}};
  for (const auto& [path, target] : good) CHECK(code_link_fault(path, target) == "");
  const std::pair<const char*, const char*> bad[] = {
      {"l", ""},     {"l", "/etc"},        {"l", ".."},          {"l", "../a"},       {"a/l", "../.."},
      {"l", "a/.."}, {"l", "a/../../etc"}, {"a/b/l", "../c/.."}, {"a/l", ".././../x"}};
  for (const auto& [path, target] : bad) CHECK(code_link_fault(path, target) != "");
}

TEST_CASE("hostile archives are refused, each for its reason", "[code][T12]") {
  const auto one = [](const Packed& packed) { return archive_of({packed}); };
  CHECK_THAT(archive_fault(one(file_of("../a", "x"))), Catch::Contains("no path beneath"));
  CHECK_THAT(archive_fault(one(file_of("/etc/cron.d/a", "x"))), Catch::Contains("no path beneath"));
  CHECK_THAT(archive_fault(one(file_of(std::string(150, 'a') + "/../../b", "x"))), Catch::Contains("no path beneath"));
  CHECK_THAT(archive_fault(one(link_of("l", "/etc"))), Catch::Contains("absolute"));
  CHECK_THAT(archive_fault(one(link_of("l", "../up"))), Catch::Contains("leaves the folder"));
  CHECK_THAT(archive_fault(one(link_of("l", "a/../../" + std::string(100, 'x')))), Catch::Contains("behind a name"));
  CHECK_THAT(archive_fault(one(file_of(".hansa-script", "x"))), Catch::Contains("call it otherwise"));
  // A way out through a link that is there before: each such pair is out of order, or refused for what it is.
  CHECK_THAT(archive_fault(archive_of({link_of("a", "b"), file_of("a/x", "x")})), Catch::Contains("is no folder"));
  CHECK_THAT(archive_fault(archive_of({file_of("a", ""), file_of("a/x", "x")})), Catch::Contains("is no folder"));
  CHECK_THAT(archive_fault(archive_of({file_of("a/x", "x"), link_of("a", "b")})), Catch::Contains("not in order"));
  CHECK_THAT(archive_fault(archive_of({file_of("a", "x"), file_of("a", "y")})), Catch::Contains("not in order"));
  CHECK_THAT(archive_fault(archive_of({file_of("b", "x"), file_of("a", "y")})), Catch::Contains("not in order"));
  CHECK(archive_fault(archive_of({file_of("a/x", "x"), file_of("a.b", "y"), file_of("b", "")})) == "");

  const auto plain = one(file_of("a", std::string(600, 'x')));
  struct Change {
    std::size_t at;
    std::string bytes;
  };
  const Change changes[] = {{156, "1"},
                            {156, "3"},
                            {156, "5"},
                            {156, "6"},
                            {156, "g"},
                            {156, "x"},
                            {156, std::string(1, '\0')},
                            {100, "0004755"},
                            {100, "0000777"},
                            {108, "0001750"},
                            {116, "0000001"},
                            {136, "00000000001"},
                            {157, "/etc"},
                            {257, std::string("ustar\0"
                                              "00",
                                              8)},
                            {265, "root"},
                            {345, "/etc/"},
                            {124, "77777777777"},
                            {124, "\x80"},
                            {124, " 1130"},
                            {500, "x"}};
  for (const auto& [at, bytes] : changes) {
    auto changed = plain;
    changed.replace(at, bytes.size(), bytes);
    sum_up(changed, 0);
    INFO("at " << at << ": " << bytes);
    CHECK(archive_fault(changed) != "");
  }
  auto wrong_sum = plain;
  wrong_sum[148] = '7';
  CHECK(archive_fault(wrong_sum) != "");
  auto behind_the_file = plain;
  behind_the_file[512 + 600] = 'x';
  CHECK_THAT(archive_fault(behind_the_file), Catch::Contains("behind the end of a file"));
  CHECK_THAT(archive_fault(plain + std::string(512, '\0')), Catch::Contains("behind its end"));
  CHECK_THAT(archive_fault(plain.substr(0, plain.size() - 512) + plain), Catch::Contains("behind an empty block"));
  CHECK(archive_fault(std::string(1024, '\0')) == "");  // nothing, in good form
  CHECK(archive_fault("PK\3\4 not a tar at all") != "");

  auto long_name = one(file_of(std::string(150, 'n'), "x"));
  auto endless = long_name;
  endless.replace(124, 11, "77777777777");
  sum_up(endless, 0);
  CHECK_THAT(archive_fault(endless), Catch::Contains("length of a name"));
  CHECK(archive_fault(long_name.substr(0, 1024) + long_name) != "");  // two names for one entry
  auto hidden = long_name;
  hidden[512 + 10] = '\0';  // a name that ends before its end
  CHECK(archive_fault(hidden) != "");
}

TEST_CASE("no byte of an archive's form can be another", "[code]") {
  const auto archive = archive_of({file_of("a/b", "0123456789"), link_of("a/c", "b"), file_of(std::string(110, 'n'), "y")});
  CHECK(rc::check("one byte changed is refused, or is of a file, a name or a link", [&] {
    const auto at = *rc::gen::inRange<std::size_t>(0, archive.size());
    RC_PRE(at < 2148 || at >= 2158);  // what of the long name stands nowhere else
    auto changed = archive;
    changed[at] = static_cast<char>(changed[at] ^ *rc::gen::inRange(1, 256));
    const bool content = (at >= 512 && at < 522) || (at >= archive.size() - 1536 && at < archive.size() - 1535);
    RC_ASSERT((archive_fault(changed) == "") == content);
  }));
}

TEST_CASE("what is beneath a path follows it at once", "[code]") {
  std::vector<std::string> paths{"a0", "a", "a.b", "a/b", "a-", "a/b/c", "a/b.c", "b"};
  std::ranges::sort(paths, code_order);
  CHECK(paths == std::vector<std::string>{"a", "a/b", "a/b/c", "a/b.c", "a-", "a.b", "a0", "b"});
}

TEST_CASE("the name of code", "[code]") {
  const auto id = code_id_of(std::string(64, 'a'));
  CHECK(is_code_id(id.str()));
  CHECK(digest_of(id) == std::string(64, 'a'));
  for (const auto& text :
       {std::string(), std::string(64, 'a'), "sha256:" + std::string(63, 'a'), "sha256:" + std::string(64, 'A'),
        "sha512:" + std::string(64, 'a'), "sha256:" + std::string(63, 'a') + "/"})
    CHECK_FALSE(is_code_id(text));
}

}  // namespace hansa::domain
