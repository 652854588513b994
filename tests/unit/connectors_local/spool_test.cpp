// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/spool.hpp"

#include "connectors/local/process_table.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace hansa;
using namespace hansa::connectors::local;

namespace {

const UtcTime kSettledAt = from_unix_seconds(5000);

struct Folder {
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hansa-spool-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  [[nodiscard]] Result<Spool> open() const { return Spool::open(path + "/spool", path + "/work"); }
  void put(std::int64_t id, const char* name, const Json& json) const {
    std::ofstream(path + "/spool/jobs/" + std::to_string(id) + "/" + name) << canonical_json(json);
  }
  std::string path;
};

JobRecord a_job() {
  return {.tag = Tag("hansa-01ARZ3NDEKTSV4RRFFQ69G5FAV-1"),
          .spec = {},
          .launch = {.work_dir = "/w", .out = "o", .err = "e", .environment = {}}};
}

StartRecord dead_supervisor() {
  return {.supervisor = ::getpid(),
          .supervisor_started = 1,
          .payload = 99999,
          .boot_id = boot_id(),
          .started_at = from_unix_seconds(4000)};
}

}  // namespace

TEST_CASE("a spool numbers jobs upwards and finds them again") {
  const Folder folder;
  {
    auto spool = folder.open();
    REQUIRE(spool);
    CHECK(spool->add(a_job(), "#!/bin/sh\n") == 1);
    CHECK(spool->add(a_job(), "#!/bin/sh\n") == 2);
    CHECK(spool->look(1)->presence == Presence::waiting);
    CHECK_FALSE(spool->look(3));
  }
  auto spool = folder.open();
  REQUIRE(spool);
  std::vector<std::string> damaged;
  const auto found = spool->load(damaged);
  REQUIRE(found);
  REQUIRE(found->size() == 2);
  CHECK(found->front().job.id == 1);
  CHECK(found->front().job.tag == a_job().tag);
  CHECK(damaged.empty());
  CHECK(spool->add(a_job(), "") == 3);
}

TEST_CASE("a spool has one owner") {
  const Folder folder;
  const auto first = folder.open();
  REQUIRE(first);
  const auto second = folder.open();
  REQUIRE_FALSE(second);
  CHECK(second.error().code == "SPOOL_IN_USE");
}

TEST_CASE("a withdrawn job has ended and cannot be withdrawn after its start") {
  const Folder folder;
  auto spool = folder.open();
  REQUIRE(spool->add(a_job(), ""));
  REQUIRE(spool->add(a_job(), ""));
  const auto end = spool->withdraw(1, kSettledAt, "CANCELLED", domain::Outcome::cancelled, {"CANCELLED", ""});
  REQUIRE(end);
  CHECK(end->sequence == 1);
  CHECK(spool->look(1)->presence == Presence::ended);
  folder.put(2, kStartedFile, to_json(dead_supervisor()));
  const auto refused = spool->withdraw(2, kSettledAt, "CANCELLED", domain::Outcome::cancelled, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::conflict);
}

TEST_CASE("a held lock is a living supervisor, whatever else is there") {
  const Folder folder;
  auto spool = folder.open();
  REQUIRE(spool->add(a_job(), ""));
  {
    const Descriptor lock(::open((spool->folder_of(1) + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(try_lock(lock) == true);
    CHECK(spool->look(1)->presence == Presence::alive);
    folder.put(1, kStartedFile, to_json(dead_supervisor()));
    CHECK(spool->look(1)->presence == Presence::alive);
    CHECK(spool->look(1)->start == dead_supervisor());
    CHECK_FALSE(spool->withdraw(1, kSettledAt, "CANCELLED", domain::Outcome::cancelled, {}));
    CHECK_FALSE(spool->settle(1, kSettledAt));
  }
  CHECK(spool->look(1)->presence == Presence::over);
}

TEST_CASE("a supervisor that left no result is lost; a recycled process number is not taken for it") {
  const Folder folder;
  auto spool = folder.open();
  REQUIRE(spool->add(a_job(), ""));
  folder.put(1, kStartedFile, to_json(dead_supervisor()));  // our own number, another start time
  const auto process = open_process(dead_supervisor());
  REQUIRE_FALSE(process);
  CHECK(process.error().code == "PROCESS_GONE");
  CHECK(spool->ask_to_end(1, dead_supervisor()));  // and we are not terminated by it
  const auto end = spool->settle(1, kSettledAt);
  REQUIRE(end);
  CHECK(end->reason.code == "SUPERVISOR_LOST");
  CHECK(end->outcome == domain::Outcome::failed);
  CHECK(end->ended_at == kSettledAt);
  CHECK(spool->settle(1, kSettledAt + Seconds{9}) == *end);  // judged once
}

TEST_CASE("a restart of the machine is said as such") {
  const Folder folder;
  auto spool = folder.open();
  REQUIRE(spool->add(a_job(), ""));
  auto start = dead_supervisor();
  start.boot_id = "another";
  folder.put(1, kStartedFile, to_json(start));
  const auto end = spool->settle(1, kSettledAt);
  REQUIRE(end);
  CHECK(end->reason.message.find("machine restarted") != std::string::npos);
}

TEST_CASE("results are judged") {
  const Folder folder;
  auto spool = folder.open();
  std::int64_t id = 0;
  const auto judged = [&](const ResultRecord& result) {
    REQUIRE(spool->add(a_job(), ""));
    ++id;
    folder.put(id, kStartedFile, to_json(dead_supervisor()));
    folder.put(id, kResultFile, to_json(result));
    const auto end = spool->settle(id, kSettledAt);
    REQUIRE(end);
    CHECK(end->sequence == id);
    return *end;
  };
  CHECK(judged({.exit_code = 0, .signal = {}, .launch_error = {}}).outcome == domain::Outcome::succeeded);
  CHECK(judged({.exit_code = 3, .signal = {}, .launch_error = {}}).outcome == domain::Outcome::failed);
  CHECK(judged({.exit_code = 0, .signal = {}, .timed_out = true, .launch_error = {}}).outcome == domain::Outcome::timed_out);
  CHECK(judged({.exit_code = {}, .signal = 15, .cancelled = true, .launch_error = {}}).outcome == domain::Outcome::cancelled);
  CHECK(judged({.exit_code = {}, .signal = {}, .launch_error = "no such file"}).reason.code == "LAUNCH_FAILED");
  CHECK(judged({.exit_code = 0, .signal = {}, .launch_error = {}, .survivors = 1}).reason.code == "PROCESSES_LEFT");
}

TEST_CASE("a removal that was cut off leaves nothing that looks like a job") {
  const Folder folder;
  {
    auto spool = folder.open();
    REQUIRE(spool->add(a_job(), ""));
    REQUIRE(spool->add(a_job(), ""));
    REQUIRE(spool->remove(1));
    CHECK(spool->remove(1));  // gone is gone
  }
  std::filesystem::create_directory(folder.path + "/spool/jobs/outgoing");
  std::ofstream(folder.path + "/spool/jobs/outgoing/ended.json") << "{";
  auto spool = folder.open();
  std::vector<std::string> damaged;
  const auto found = spool->load(damaged);
  REQUIRE(found);
  CHECK(damaged.empty());
  REQUIRE(found->size() == 1);
  CHECK(found->front().job.id == 2);
  CHECK_FALSE(std::filesystem::exists(folder.path + "/spool/jobs/outgoing"));
}

TEST_CASE("a refused start says why") {
  const Folder folder;
  auto spool = folder.open();
  REQUIRE(spool->add(a_job(), ""));
  std::filesystem::create_symlink("DUPLICATE:job:9:0", folder.path + "/work/refused/" + a_job().tag.str() + ".0.1.0");
  folder.put(1, kStartedFile, to_json(dead_supervisor()));
  folder.put(1, kResultFile, to_json(ResultRecord{.exit_code = 113, .signal = {}, .launch_error = {}}));
  const auto end = spool->settle(1, kSettledAt);
  REQUIRE(end);
  CHECK(end->reason.code == "DUPLICATE");
  CHECK_FALSE(end->exit_code.has_value());  // 113 was no payload's
}

TEST_CASE("seals are taken once and named") {
  const auto fence = [](std::int32_t task, bool whole = false) {
    return ports::Fence{.tag = a_job().tag, .task_index = task, .account = {}, .person = {}, .whole_array = whole};
  };
  const Folder folder;
  auto spool = folder.open();
  const auto& work = spool->work_folder();
  CHECK(work.seal(fence(0))->sealed);
  CHECK(work.seal(fence(0))->sealed);
  std::filesystem::create_symlink("job:17:0", folder.path + "/work/fence/" + a_job().tag.str() + ".1");
  CHECK(work.seal(fence(1))->holder == SiteJobId("17"));
  std::filesystem::create_symlink("nonsense", folder.path + "/work/fence/" + a_job().tag.str() + ".2");
  CHECK_FALSE(work.seal(fence(2)));
  std::filesystem::create_symlink("job:18:0:tasks", folder.path + "/work/fence/" + a_job().tag.str() + ".array");
  CHECK(work.seal(fence(0, true))->holder == SiteJobId("18"));
  std::filesystem::remove_all(folder.path + "/work/fence");
  CHECK_FALSE(work.seal(fence(0)));  // no folder is no seal
}

TEST_CASE("an array is spooled whole or not at all") {
  const Folder folder;
  auto pattern = a_job();
  pattern.spec.array = domain::parse_task_array("3-9:3").value();
  pattern.launch.out = "output/x.%a.out";
  pattern.launch.err = "output/x.%a.err";
  std::vector<std::string> damaged;
  {
    auto spool = folder.open();
    REQUIRE(spool->add_array(pattern, "#!/bin/sh\n") == 1);
    REQUIRE(spool->add(a_job(), "#!/bin/sh\n") == 4);
  }
  {
    auto spool = folder.open();
    const auto jobs = spool->load(damaged);
    REQUIRE(jobs);
    REQUIRE(jobs->size() == 4);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto& job = jobs->at(i).job;
      const auto index = std::to_string(3 + 3 * i);
      CHECK(job.array == 1);
      CHECK(std::to_string(job.task) == index);
      CHECK(job.launch.out == "output/x." + index + ".out");
      CHECK(job.launch.environment.back() == std::pair<std::string, std::string>{kTaskVariable, index});
    }
    CHECK(jobs->at(3).job.array == 0);
  }
  // Killed before the last task was in place: nobody has its id.
  std::filesystem::remove_all(folder.path + "/spool/jobs/3");
  auto spool = folder.open();
  const auto jobs = spool->load(damaged);
  REQUIRE(jobs);
  REQUIRE(jobs->size() == 1);
  CHECK(jobs->front().job.id == 4);
  CHECK_FALSE(std::filesystem::exists(folder.path + "/spool/jobs/1"));
}
