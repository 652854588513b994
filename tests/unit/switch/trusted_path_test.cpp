// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/trusted_path.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace hansa::connectors::account_switch;
namespace fs = std::filesystem;

TEST_CASE("what the system's package manager installed is trusted") {
  CHECK(check_trusted_file("/usr/bin/env"));
  CHECK(check_trusted_file("/bin/sh"));  // by symbolic links: /bin -> usr/bin, sh -> dash
}

TEST_CASE("what is not there, no regular file, or not named in full is not trusted") {
  for (const auto* path : {"", "env", "usr/bin/env", "/", "/usr", "/usr/bin", "/usr/bin/", "/usr/bin/env/x", "/usr/bin/env/..",
                           "/no/such", "/dev/null", "/usr/bin/.."}) {
    INFO(path);
    CHECK_FALSE(check_trusted_file(path));
  }
}

TEST_CASE("one folder, link or mode that somebody else can use spoils the way") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can lay out files of root's");
    return;
  }
  char pattern[] = "/var/lib/hansa-trust-XXXXXX";
  REQUIRE(::mkdtemp(pattern) != nullptr);
  const fs::path base = pattern;
  struct Cleaner {
    fs::path path;
    ~Cleaner() { fs::remove_all(path); }
  } cleaner{base};
  ::chmod(pattern, 0755);
  fs::create_directory(base / "good");
  std::ofstream(base / "good/tool") << "x";
  const auto tool = (base / "good/tool").string();
  ::chmod((base / "good").c_str(), 0755);
  ::chmod(tool.c_str(), 0755);
  REQUIRE(check_trusted_file(tool));

  SECTION("the file is writable by its group") { ::chmod(tool.c_str(), 0775); }
  SECTION("the file is writable by all") { ::chmod(tool.c_str(), 0757); }
  SECTION("the file is somebody's") { REQUIRE(::chown(tool.c_str(), 1, 0) == 0); }
  SECTION("the folder is writable by all, sticky or not") { ::chmod((base / "good").c_str(), 01777); }
  SECTION("the folder is somebody's") { REQUIRE(::chown((base / "good").c_str(), 1, 0) == 0); }
  SECTION("the folder above is writable by its group") { ::chmod(base.c_str(), 0775); }
  CHECK_FALSE(check_trusted_file(tool));
}

TEST_CASE("links are followed by the same rules") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can lay out files of root's");
    return;
  }
  char pattern[] = "/var/lib/hansa-trust-XXXXXX";
  REQUIRE(::mkdtemp(pattern) != nullptr);
  const fs::path base = pattern;
  struct Cleaner {
    fs::path path;
    ~Cleaner() { fs::remove_all(path); }
  } cleaner{base};
  ::chmod(pattern, 0755);
  fs::create_directories(base / "v1");
  fs::create_directories(base / "open");
  ::chmod((base / "v1").c_str(), 0755);
  ::chmod((base / "open").c_str(), 0777);
  std::ofstream(base / "v1/tool") << "x";
  ::chmod((base / "v1/tool").c_str(), 0755);

  fs::create_symlink("v1", base / "current");
  CHECK(check_trusted_file(base / "current/tool"));
  fs::create_symlink(base / "current" / "tool", base / "v1/again");
  CHECK(check_trusted_file(base / "v1/again"));
  fs::create_symlink("../v1/../v1/tool", base / "v1/dots");
  CHECK(check_trusted_file(base / "v1/dots"));

  // A good file reached through a folder that anybody can write.
  fs::create_symlink("../v1/tool", base / "open/tool");
  CHECK_FALSE(check_trusted_file(base / "open/tool"));
  fs::create_symlink("open/tool", base / "detour");
  CHECK_FALSE(check_trusted_file(base / "detour"));
  fs::create_symlink("open/../v1/tool", base / "past");
  CHECK_FALSE(check_trusted_file(base / "past"));

  fs::create_symlink("somebody", base / "somebody");
  CHECK_FALSE(check_trusted_file(base / "somebody"));  // leads to itself
  fs::create_symlink("v1/tool", base / "theirs");
  REQUIRE(::lchown((base / "theirs").c_str(), 1, 0) == 0);
  CHECK_FALSE(check_trusted_file(base / "theirs"));
  fs::create_symlink("nowhere", base / "dangling");
  CHECK_FALSE(check_trusted_file(base / "dangling"));
}
