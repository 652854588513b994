// SPDX-License-Identifier: Apache-2.0
#include "broker/store/state_folder.hpp"

#include "temporary_folder.hpp"
#include <catch2/catch.hpp>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace hansa;
using namespace hansa::store;

TEST_CASE("a state folder has one broker at a time") {
  const TemporaryFolder folder;
  {
    auto first = StateLock::take(folder.path());
    REQUIRE(first);
    const auto second = StateLock::take(folder.path());
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::conflict);
    CHECK(second.error().code == "STATE_LOCKED");
    CHECK(second.error().message.find("process " + std::to_string(::getpid()) + ":") != std::string::npos);
    CHECK(second.error().message.find(folder.path().string()) != std::string::npos);
  }
  CHECK(StateLock::take(folder.path()));
}

TEST_CASE("a killed broker whose last child is not its program yet keeps nobody out for long") {
  const TemporaryFolder folder;
  const auto broker = ::fork();
  if (broker == 0) {
    const auto lock = StateLock::take(folder.path());
    if (::fork() == 0) ::usleep(300'000);  // with the lock, like a child before its exec
    ::_exit(lock ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(broker, &status, 0) == broker);
  REQUIRE(status == 0);
  CHECK(StateLock::take(folder.path()));
}

TEST_CASE("a folder that cannot hold a state is refused with its reason") {
  const TemporaryFolder folder;
  CHECK(check_folder(folder.path()));
  CHECK(check_folder(folder.path() / "none").error().code == "STATE_DIR_UNUSABLE");
  REQUIRE(create_private_file(folder.path() / "file"));
  CHECK(check_folder(folder.path() / "file").error().message.find("is not a folder") != std::string::npos);
  REQUIRE(::symlink("/etc/passwd", (folder.path() / "lock").c_str()) == 0);
  CHECK(StateLock::take(folder.path()).error().code == "STATE_DIR_UNUSABLE");
}

TEST_CASE("network and FUSE file systems are told from local ones") {
  for (const long magic : {0x6969L, 0x517BL, 0xFF534D42L, 0xFE534D42L, 0x65735546L, 0x01021997L, 0x0BD00BD0L, 0x47504653L})
    CHECK(is_remote_file_system(magic));
  for (const long magic :
       {static_cast<long>(EXT4_SUPER_MAGIC), static_cast<long>(XFS_SUPER_MAGIC), static_cast<long>(BTRFS_SUPER_MAGIC),
        static_cast<long>(TMPFS_MAGIC), static_cast<long>(OVERLAYFS_SUPER_MAGIC), 0x2FC12FC1L /* ZFS */}) {
    CHECK_FALSE(is_remote_file_system(magic));
  }
}

TEST_CASE("the database file is its owner's alone") {
  const TemporaryFolder folder;
  const auto old_mask = ::umask(0);
  REQUIRE(create_private_file(folder.path() / "hansa.db"));
  ::umask(old_mask);
  struct stat about{};
  REQUIRE(::stat((folder.path() / "hansa.db").c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
  CHECK(create_private_file(folder.path() / "hansa.db"));  // again: as it was
}
