// SPDX-License-Identifier: Apache-2.0
// The wrapper is executed by a real bash, under a pretended Slurm.
#include "connectors/transport/wrapper.hpp"

#include "broker/core/digest.hpp"
#include "broker/domain/code_archive.hpp"
#include "tests/unit/connectors_slurm/wrapper_home.hpp"

#include <catch2/catch.hpp>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace hansa::connectors::transport {

using test::Home;
using test::read_file;
using test::spec_of;
namespace fs = std::filesystem;

TEST_CASE("wrapper: takes the fence, becomes the payload, passes its exit code on") {
  Home home;
  home.write(spec_of("#!/bin/sh\necho ran $HANSA_JOB_ID $HANSA_SITE_JOB_ID $HANSA_RUN ${SLURM_EXPORT_ENV-unset}\nexit 113\n"));
  CHECK(home.run("7") == 113);  // the payload's own
  CHECK(home.out() == "ran T 7 0 unset\n");
  CHECK_THAT(home.link("fence/hansa-T-1.0"), Catch::StartsWith("job:7:0:"));
  CHECK(fs::is_empty(home.below("refused")));
  CHECK(holder_of(home.link("fence/hansa-T-1.0")).str() == "7");
  CHECK((fs::status(home.below("jobs/hansa-T-1/script")).permissions() & fs::perms::all) == fs::perms::owner_all);
}

TEST_CASE("wrapper: a fence in other hands, or sealed, means that nothing runs") {
  Home home;
  home.write(spec_of("#!/bin/sh\necho ran\n"));
  const std::string holder = GENERATE("job:6:0", "sealed", "job:70:0", "something else");
  fs::create_symlink(holder, home.below("fence/hansa-T-1.0"));
  CHECK(home.run("7") == kExitDuplicate);
  CHECK(home.out().empty());
  CHECK(home.link(refusal_path(Tag("hansa-T-1"), 0, SiteJobId("7"), 0)) == "DUPLICATE:" + holder);
  CHECK(home.link("fence/hansa-T-1.0") == holder);
  CHECK(fs::is_empty(home.below("jobs")));
}

TEST_CASE("wrapper: a requeue by the site passes only if the job said so") {
  Home home;
  auto spec = spec_of("#!/bin/sh\necho run $HANSA_RUN\n");
  home.write(spec);
  CHECK(home.run("7", "0") == 0);
  CHECK(home.run("7", "1") == kExitSiteRequeued);
  CHECK_THAT(home.link(refusal_path(Tag("hansa-T-1"), 0, SiteJobId("7"), 1)), Catch::StartsWith("SITE_REQUEUED:job:7:0:"));
  spec.may_requeue = true;
  home.write(spec);
  CHECK(home.run("7", "1") == 0);
  CHECK(home.run("8", "0") == kExitDuplicate);
  CHECK(home.out() == "run 0\nrun 1\n");
}

TEST_CASE("wrapper: the same id and run again is another start all the same (a slurmctld that forgot the first)") {
  Home home;
  auto spec = spec_of("#!/bin/sh\necho ran\n");
  home.write(spec);
  CHECK(home.run("7", "0") == 0);
  CHECK(home.run("7", "0") == kExitSiteRequeued);
  CHECK_THAT(home.link(refusal_path(Tag("hansa-T-1"), 0, SiteJobId("7"), 0)), Catch::StartsWith("SITE_REQUEUED:job:7:0:"));
  CHECK(home.out() == "ran\n");
  spec.may_requeue = true;
  home.write(spec);
  CHECK(home.run("7", "0") == 0);
  CHECK(home.out() == "ran\nran\n");
}

TEST_CASE("wrapper: a start finds its own link (NFS repeats a call)") {
  Home home;
  // `command -p ln` finds this function first: it makes the link and says that it was there, as such a repeated call does.
  auto text = make_wrapper(spec_of("#!/bin/sh\necho ran\n"));
  REQUIRE(text.has_value());
  text->insert(text->find('\n') + 1, "command() { builtin command \"$@\" && [[ $2 != ln ]]; }\n");
  home.write(*text);
  CHECK(home.run("7") == 0);
  CHECK(home.out() == "ran\n");
  CHECK_THAT(home.link("fence/hansa-T-1.0"), Catch::StartsWith("job:7:0:"));
}

TEST_CASE("wrapper: a folder in the fence's place is nobody's fence") {
  Home home;
  home.write(spec_of("#!/bin/sh\necho ran\n"));
  fs::create_directory(home.below("fence/hansa-T-1.0"));
  CHECK(home.run("7") == kExitFenceFailed);
  CHECK(home.out().empty());
  CHECK(fs::is_empty(home.below("fence/hansa-T-1.0")));
}

TEST_CASE("wrapper: a payload that cannot be written says so, and has not run") {
  Home home;
  home.write(spec_of("#!/bin/sh\necho ran\n"));
  const std::string in_the_way = GENERATE("jobs", "jobs/hansa-T-1", "jobs/hansa-T-1/script/x");
  if (in_the_way == "jobs") fs::remove(home.below("jobs"));
  if (in_the_way.ends_with("/x")) fs::create_directories(home.below(in_the_way));
  if (!in_the_way.ends_with("/x")) std::ofstream(home.below(in_the_way)) << "a file";
  CHECK(home.run("7") == kExitDeliveryFailed);
  CHECK(home.out().empty());
  CHECK(home.link(refusal_path(Tag("hansa-T-1"), 0, SiteJobId("7"), 0)) == "DELIVERY_FAILED");
}

TEST_CASE("wrapper: code is unpacked beside the script before it starts, once") {
  Home home;
  const std::string text = "#!/bin/sh\necho tool\n", long_name(120, 'n');
  const auto archive =
      domain::code_header({.path = "bin/tool", .kind = domain::CodeEntry::Kind::program, .size = text.size()}) + text +
      domain::code_padding(text.size()) +
      domain::code_header({.path = "link", .kind = domain::CodeEntry::Kind::link, .size = 0, .target = "bin/tool"}) +
      domain::code_header({.path = long_name, .size = 2}) + "x\n" + domain::code_padding(2) +
      domain::code_header({.path = "script", .size = 5}) + "mine\n" + domain::code_padding(5) + domain::code_end();
  auto spec = spec_of("#!/bin/sh\nPATH=/usr/bin:/bin\n./link; cat script; cat nnn*; echo changed >script; basename \"$0\"\n");
  spec.code = sha256_hex(archive);
  spec.may_requeue = true;
  home.write(spec);
  const auto file = home.below("code") / (spec.code + ".tar");

  SECTION("whole") {
    std::ofstream(file, std::ios::binary) << archive;
    CHECK(home.run("7", "0") == 0);
    CHECK(home.out() == "tool\nmine\nx\n.hansa-script\n");
    CHECK(home.err() == "");
    const auto folder = home.below("jobs/hansa-T-1");
    CHECK((fs::status(folder / "bin/tool").permissions() & fs::perms::owner_exec) != fs::perms::none);
    CHECK(fs::last_write_time(folder / long_name) > fs::file_time_type::clock::now() - std::chrono::hours(1));
    fs::remove(file);  // a requeue needs it no more, and finds what the first run left
    CHECK(home.run("7", "1") == 0);
    CHECK(home.out().ends_with("tool\nchanged\nx\n.hansa-script\n"));
  }
  SECTION("missing, cut or changed: nothing runs") {
    const int how = GENERATE(0, 1, 2, 3);
    auto bytes = archive;
    if (how == 1) bytes.resize(bytes.size() - 512);
    if (how == 2) bytes[520] = '!';
    if (how == 3) bytes.clear();
    if (how > 0) std::ofstream(file, std::ios::binary) << bytes;
    CHECK(home.run("7") == kExitDeliveryFailed);
    CHECK(home.out().empty());
    CHECK_THAT(home.err(), Catch::Contains("its code is not, or not whole, in "));
    CHECK(home.link(refusal_path(Tag("hansa-T-1"), 0, SiteJobId("7"), 0)) == "DELIVERY_FAILED");
  }
  for (const auto& code : {std::string("x"), std::string(63, 'a'), std::string(63, 'a') + "'", "../" + std::string(61, 'a')}) {
    spec.code = code;
    CHECK(make_wrapper(spec).error().code == "PAYLOAD_NOT_DELIVERABLE");
  }
}

TEST_CASE("wrapper: what a note says is told without the note's own words") {
  CHECK(read_refusal("DUPLICATE:job:9:0:0b1c-2").code == "DUPLICATE");
  CHECK_THAT(read_refusal("DUPLICATE:job:9:0:0b1c-2").message, Catch::EndsWith("held by job:9:0:0b1c-2"));
  CHECK_THAT(read_refusal("DUPLICATE:sealed").message, Catch::EndsWith("held by sealed"));
  for (const auto& holder :
       {std::string(), std::string("a b"), std::string("\x1b[31m"), std::string("x\ny"), std::string(300, 'a')})
    CHECK_THAT(read_refusal("DUPLICATE:" + holder).message, Catch::EndsWith("held by something else"));
  CHECK(read_refusal("SITE_REQUEUED:job:9:0:x").code == "SITE_REQUEUED");
  CHECK(read_refusal("DELIVERY_FAILED").code == "DELIVERY_FAILED");
  for (const auto* note : {"FENCE_FAILED", "", ":", "whatever"}) CHECK(read_refusal(note).code == "FENCE_FAILED");
}

TEST_CASE("wrapper: a work_dir that is missing fails loudly and runs nothing") {
  Home home;
  home.write(spec_of("#!/bin/sh\necho ran\n"));
  fs::remove_all(home.below("fence"));
  CHECK(home.run("7") == kExitFenceFailed);
  CHECK(home.out().empty());
  CHECK(home.err().contains("cannot take the fence"));
  CHECK(home.link(refusal_path(Tag("hansa-T-1"), 0, SiteJobId("7"), 0)) == "FENCE_FAILED");
  fs::create_directories(home.below("fence"));
}

TEST_CASE("wrapper: no job id, no start") {
  Home home;
  home.write(spec_of("#!/bin/sh\necho ran\n"));
  for (const auto id : {"", "a b", "../x", "7;id"}) CHECK(home.run(id) == kExitFenceFailed);
  CHECK(home.run("7", "x") == kExitFenceFailed);
  CHECK(home.out().empty());
}

TEST_CASE("wrapper: of fifty that start at once exactly one runs its payload") {
  Home home;
  home.write(spec_of("#!/bin/sh\necho ran $HANSA_SITE_JOB_ID\n"));
  std::vector<pid_t> children;
  for (int i = 1; i <= 50; ++i) children.push_back(home.start(std::to_string(i), "0"));
  int ran = 0;
  for (const auto child : children) {
    const auto code = Home::wait(child);
    CHECK((code == 0 || code == kExitDuplicate));
    ran += code == 0 ? 1 : 0;
  }
  CHECK(ran == 1);
  CHECK(home.out() == "ran " + holder_of(home.link("fence/hansa-T-1.0")).str() + "\n");
}

TEST_CASE("wrapper: the first task of an array takes the right for all, and each its own fence") {
  Home home;
  auto spec = spec_of("#!/bin/sh\necho $HANSA_ARRAY_INDEX of $HANSA_SITE_JOB_ID in ${PWD##*/}\n");
  spec.array_variable = "SLURM_ARRAY_JOB_ID";
  home.write(spec);
  CHECK(home.run_task("7", 3, "9") == 0);
  CHECK(home.run_task("7", 0, "7") == 0);
  CHECK(home.out() == "3 of 9 in 3\n0 of 7 in 0\n");
  CHECK(home.link("fence/hansa-T-1.array") == "job:7:0:tasks");
  CHECK(holder_of(home.link("fence/hansa-T-1.array")).str() == "7");
  CHECK_THAT(home.link("fence/hansa-T-1.3"), Catch::StartsWith("job:7_3:0:"));
  CHECK(task_id(SiteJobId("7"), 3).str() == "7_3");

  // Another array of the same attempt, and the same task again.
  CHECK(home.run_task("8", 5, "12") == kExitDuplicate);
  CHECK(home.link(refusal_path(Tag("hansa-T-1"), 5, SiteJobId("8_5"), 0)) == "DUPLICATE:job:7:0:tasks");
  CHECK(home.run_task("7", 3, "9", "1") == kExitSiteRequeued);
  CHECK(home.out() == "3 of 9 in 3\n0 of 7 in 0\n");
  CHECK_FALSE(fs::exists(fs::symlink_status(home.below("fence/hansa-T-1.5"))));
}

TEST_CASE("wrapper: each task of an array has its own port, within the range") {
  const auto port = [](std::uint16_t base, int task) {
    Home home;
    auto spec = spec_of("#!/bin/sh\necho $HANSA_MASTER_PORT\n");
    spec.master_port = base;
    spec.environment = {{"HANSA_MASTER_PORT", "1"}};  // the user's does not count
    if (task >= 0) spec.array_variable = "SLURM_ARRAY_JOB_ID";
    home.write(spec);
    CHECK((task < 0 ? home.run("7") : home.run_task("7", task, "9")) == 0);
    return home.out();
  };
  CHECK(port(29'998, -1) == "29998\n");
  CHECK(port(29'998, 0) == "29998\n");
  CHECK(port(29'998, 1) == "29999\n");
  CHECK(port(29'998, 2) == "20000\n");
  CHECK(port(20'000, 9'999) == "29999\n");
}

TEST_CASE("wrapper: a sealed array runs none of its tasks, and what gives no index runs nothing") {
  Home home;
  auto spec = spec_of("#!/bin/sh\necho ran\n");
  spec.array_variable = "SLURM_ARRAY_JOB_ID";
  home.write(spec);
  CHECK(home.run("7") == kExitFenceFailed);  // no index, no array
  CHECK(Home::wait(home.start("7", "0", {"SLURM_ARRAY_JOB_ID=7"})) == kExitFenceFailed);
  CHECK(Home::wait(home.start("7", "0", {"SLURM_ARRAY_TASK_ID=1"})) == kExitFenceFailed);
  CHECK(Home::wait(home.start("7", "0", {"SLURM_ARRAY_JOB_ID=7", "SLURM_ARRAY_TASK_ID=../1"})) == kExitFenceFailed);
  fs::create_symlink("sealed", home.below(array_fence_path(Tag("hansa-T-1"))));
  for (int task = 0; task < 3; ++task) CHECK(home.run_task("7", task, std::to_string(7 + task)) == kExitDuplicate);
  CHECK(home.out().empty());
  CHECK(fs::is_empty(home.below("jobs")));
}

TEST_CASE("wrapper: tasks of two arrays that start at once: all of one run, none of the other") {
  Home home;
  auto spec = spec_of("#!/bin/sh\necho ran $HANSA_ARRAY_INDEX\n");
  spec.array_variable = "SLURM_ARRAY_JOB_ID";
  home.write(spec);
  std::vector<pid_t> children;
  for (int i = 0; i < 40; ++i)
    children.push_back(home.start(
        std::to_string(100 + i), "0",
        {"SLURM_ARRAY_JOB_ID=" + std::string(i % 2 == 0 ? "7" : "8"), "SLURM_ARRAY_TASK_ID=" + std::to_string(i / 2)}));
  int ran[] = {0, 0};
  for (int i = 0; i < 40; ++i) {
    const auto code = Home::wait(children[static_cast<std::size_t>(i)]);
    CHECK((code == 0 || code == kExitDuplicate));
    ran[i % 2] += code == 0 ? 1 : 0;
  }
  CHECK(((ran[0] == 20 && ran[1] == 0) || (ran[0] == 0 && ran[1] == 20)));
}

TEST_CASE("wrapper: everything arrives byte for byte, nothing is interpreted", "[T08]") {
  Home home;
  auto spec = spec_of("");
  spec.script =
      "#!/bin/sh\n# \xff\xfe '\"`\\ $(x) \r\n: <<'END_OF_DATA'\nEND_OF_DATA\n/usr/bin/cat \"$0\"; for a in \"$@\"; do printf "
      "'<%s>' \"$a\"; done; "
      "exit 5 # \xc3\xa4";
  spec.arguments = {"", "-n", "--", "a b", "'\"", "line\n\n", "$(touch x)", "*", "\\", "\xff", ""};
  home.write(spec);
  CHECK(home.run() == 5);
  std::string expected = spec.script;
  for (const auto& argument : spec.arguments) expected += "<" + argument + ">";
  CHECK(home.out() == expected);
  CHECK_FALSE(fs::exists(home.below("jobs/hansa-T-1/x")));
}

TEST_CASE("wrapper: the environment arrives as it is, Hansa's own names win, the wrapper's do not leak", "[T08]") {
  Home home;
  // No shell, which would drop what it cannot name: cat writes its own environment, then the script.
  auto spec = spec_of("#!/usr/bin/env -S /bin/cat /proc/self/environ");
  spec.environment = {{"A", "x\ny'\"$(id)\n"},   {"EMPTY", ""}, {"odd-name", "v"}, {"-u", "w"}, {"PATH", "/mine"},
                      {"HANSA_JOB_ID", "forged"}};
  home.write(spec);
  CHECK(home.run() == 0);
  const std::string nul(1, '\0');
  const auto environment = nul + home.out();
  const auto path = "PATH=" + fs::directory_iterator(home.below("launch"))->path().string() + ":/mine";
  for (const std::string variable : {"A=x\ny'\"$(id)\n", "EMPTY=", "odd-name=v", "-u=w", path.c_str(), "HANSA_JOB_ID=T"}) {
    INFO(variable);
    CHECK(environment.contains(nul + variable + nul));
  }
  CHECK_FALSE(environment.contains("forged"));
  CHECK_FALSE(environment.contains("hansa_"));
}

TEST_CASE("wrapper: the payload starts in the environment of a login, whatever its profile prints and wherever it goes") {
  Home home;
  auto spec = spec_of(
      "#!/bin/sh\nprintf '%s|' \"$MINE\" \"$PATH\" \"$HOME\" \"$USER\" \"$LOGNAME\" \"$A\" \"$(/usr/bin/basename \"$PWD\")\"\n");
  spec.login = true;
  spec.environment = {{"A", "asked for"}};
  home.write(spec);
  const std::string own = ::getpwuid(::geteuid())->pw_name;
  const auto profile = home.below("..") / ".bash_profile";
  SECTION("it is read") {
    std::ofstream(profile)
        << "echo a lecture; echo of two lines >&2; cd /; PATH=/site/bin:/usr/bin:/bin; export MINE='x\ny ' A=overridden\n";
    CHECK(home.run() == 0);
    const auto launch = fs::directory_iterator(home.below("launch"))->path().string();
    CHECK(home.out() == "x\ny |" + launch + ":/site/bin:/usr/bin:/bin|" + home.below("..").parent_path().parent_path().string() +
                            '|' + own + '|' + own + "|asked for|hansa-T-1|");
    CHECK(home.err() == "");
  }
  SECTION("nothing of an environment is on a command line") {
    std::ofstream(profile) << "export TOKEN=of-the-profile\n";
    spec.environment = {{"MINE", "asked-for"}, {"LC_ALL", "C"}};
    spec.script = "#!/bin/sh\n[ \"$TOKEN $MINE $LC_ALL\" = 'of-the-profile asked-for C' ]\n";
    home.write("set -x\n" + *make_wrapper(spec));
    CHECK(home.run() == 0);
    std::istringstream trace(home.err());
    std::string last;
    for (std::string line; std::getline(trace, line);) {
      const bool runs = line.find("+ exec ") != std::string::npos || line.find("+ command ") != std::string::npos;
      if (!runs) continue;
      last = line;
      CHECK_THAT(line, !Catch::Contains("of-the-profile") && !Catch::Contains("asked-for"));
    }
    CHECK_THAT(last, Catch::StartsWith("+ exec /usr/bin/env -- LANG=C LC_ALL=C /") && Catch::EndsWith("/jobs/hansa-T-1/script"));
  }
  SECTION("what it leaves running keeps nobody") {
    std::ofstream(profile) << "sleep 30 &\necho $! >\"$HOME/left\"\nexport MINE=x\n";
    const auto began = std::chrono::steady_clock::now();
    CHECK(home.run() == 0);
    CHECK_THAT(home.out(), Catch::StartsWith("x|"));
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(25));  // it sleeps still
    std::ifstream left(home.below("..") / "left");
    pid_t sleeper = 0;
    left >> sleeper;
    CHECK(::kill(sleeper, SIGKILL) == 0);
  }
  SECTION("one that ends its shell, well or not, or becomes another, runs nothing") {
    std::ofstream(profile) << GENERATE("exit 0\n", "exit 3\n", "exec /bin/true\n", "kill -9 $$\n");
    CHECK(home.run() == kExitDeliveryFailed);
    CHECK(home.out().empty());
    CHECK_THAT(home.err(), Catch::Contains("a login as this account gives no environment"));
    CHECK(home.link(refusal_path(Tag("hansa-T-1"), 0, SiteJobId("7"), 0)) == "LOGIN_FAILED");
    CHECK(read_refusal("LOGIN_FAILED").code == "LOGIN_FAILED");
  }
}

TEST_CASE("wrapper: hansa-launch is the account's, and comes with its first job") {
  Home home;
  auto spec = spec_of("#!/bin/sh\n");
  home.write(spec);
  CHECK(home.run("7") == 0);
  const auto version = fs::directory_iterator(home.below("launch"))->path();
  const auto program = version / "hansa-launch";
  const auto first = fs::last_write_time(program);
  CHECK((fs::status(program).permissions() & fs::perms::all) == fs::perms::owner_all);
  spec.tag = Tag("hansa-U-1");
  home.write(spec);
  CHECK(home.run("8") == 0);
  CHECK(fs::last_write_time(program) == first);
  CHECK(std::distance(fs::directory_iterator(version), fs::directory_iterator()) == 1);
  fs::remove_all(home.below("launch"));
  std::ofstream(home.below("launch")) << "in the way";
  spec.tag = Tag("hansa-V-1");
  home.write(spec);
  CHECK(home.run("9") == kExitDeliveryFailed);
  CHECK(home.link(refusal_path(Tag("hansa-V-1"), 0, SiteJobId("9"), 0)) == "DELIVERY_FAILED");
}

TEST_CASE("wrapper: the portable environment says where the job runs, whatever the scheduler") {
  const std::string script =
      "#!/bin/sh\necho $HANSA_NODES $HANSA_NODELIST $HANSA_TASKS $HANSA_CPUS_PER_TASK $HANSA_GPUS_PER_NODE $HANSA_MASTER_ADDR "
      "$HANSA_SCRATCH $A $B\n";
  auto spec = spec_of(script);
  spec.shape = {.nodes = 2, .tasks = 5, .cpus_per_task = 3, .gpus_per_node = 4};
  spec.profile = {.scratch = "/scratch/alice", .environment = {{"A", "site's"}, {"B", "site's"}}};
  spec.environment = {{"B", "mine"}};
  SECTION("Slurm tells its nodes by scontrol") {
    Home home;
    home.add_program("scontrol", "#!/bin/sh\n[ \"$*\" = 'show hostnames n[1-2]' ] && printf 'n1\\nn2\\n'\n");
    home.set("SLURM_JOB_NODELIST=n[1-2]");
    spec.launcher = Launcher::slurm;
    home.write(spec);
    CHECK(home.run() == 0);
    CHECK(home.out() == "2 n1,n2 5 3 4 n1 /scratch/alice site's mine\n");
  }
  SECTION("one node of Slurm's needs no question") {
    Home home;
    home.set("SLURMD_NODENAME=n7");
    home.set("TMPDIR=/tmp/of-the-job");
    home.set("PATH=/nonexistent");
    spec.launcher = Launcher::slurm;
    spec.shape = {};
    spec.profile.scratch.clear();
    home.write(spec);
    CHECK(home.run() == 0);
    CHECK(home.out() == "1 n7 1 1 0 n7 /tmp/of-the-job site's mine\n");
  }
  SECTION("PBS has a file with a line for each process") {
    Home home;
    std::ofstream(home.below("nodes")) << "n1.x\nn1.x\nn2.x\nn1.x\n\nn2.x";
    home.set("PBS_NODEFILE=" + home.below("nodes").string());
    home.set("PATH=/nonexistent");
    spec.launcher = Launcher::pbs;
    home.write(spec);
    CHECK(home.run() == 0);
    CHECK(home.out() == "2 n1.x,n2.x 5 3 4 n1.x /scratch/alice site's mine\n");
  }
  SECTION("a machine alone") {
    Home home;
    spec.shape = {.nodes = 1, .tasks = 2};
    home.write(spec);
    CHECK(home.run() == 0);
    CHECK_THAT(home.out(), Catch::StartsWith("1 ") && Catch::EndsWith(" /scratch/alice site's mine\n"));
  }
  spec.profile.scratch = "/scratch/$(id)";
  CHECK_FALSE(make_wrapper(spec));
  spec.profile = {.scratch = "", .environment = {{"A B", "x"}}};
  CHECK_FALSE(make_wrapper(spec));
  CHECK(profile_for({.scratch = "/s/{account}/{account}", .environment = {}}, "bob").scratch == "/s/bob/bob");
  CHECK(master_port("01JD0000000000000000000000") == master_port("01JD0000000000000000000000"));
  for (const auto* job : {"", "a", "01JD0000000000000000000000"})
    CHECK((master_port(job) >= 20'000 && master_port(job) < 30'000));
}

TEST_CASE("hansa-launch: a process for each task with its rank and its part of the GPUs, and one that fails ends all") {
  const auto launched = [](const std::string& command, JobShape shape = {.nodes = 1, .tasks = 3}) {
    auto home = std::make_unique<Home>();
    auto spec = spec_of("#!/bin/bash\nhansa-launch " + command + "\necho ended $?\n");
    spec.shape = shape;
    spec.master_port = 20'001;
    home->set("PATH=/usr/bin:/bin");
    home->set("CUDA_VISIBLE_DEVICES=0,1,2,3,4");
    home->write(spec);
    CHECK(home->run() == 0);
    std::istringstream text(home->out());
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    std::ranges::sort(lines);
    return lines;
  };
  using Lines = std::vector<std::string>;
  CHECK(launched("bash -c 'echo $RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $NODE_RANK $MASTER_PORT $CUDA_VISIBLE_DEVICES "
                 "${HANSA_EACH-}'") == Lines{"0/3 0/3 0 20001 0", "1/3 1/3 0 20001 1,2", "2/3 2/3 0 20001 3,4", "ended 0"});
  CHECK(launched("--per-node bash -c 'echo $RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $CUDA_VISIBLE_DEVICES $PET_NNODES "
                 "$PET_NPROC_PER_NODE'") == Lines{"0/1 0/1 0,1,2,3,4 1 3", "ended 0"});
  CHECK(launched("bash -c '[[ $RANK != 1 ]] || exit 7; sleep 100; echo not here'") == Lines{"ended 7"});
  CHECK(launched("bash -c 'sleep 1.2; kill -SEGV $$'", {.nodes = 1, .tasks = 1}) == Lines{"ended 139"});
  CHECK(launched("sleep 1.1") == Lines{"ended 0"});
  CHECK(launched("/nonexistent") == Lines{"ended 127"});
  CHECK(launched("") == Lines{"ended 2"});
  CHECK(launched("--nodes 2 true") == Lines{"ended 2"});
  CHECK(launched("-- printf '%s\\n' 'a  b' '$(id)'", {.nodes = 1, .tasks = 1}) == Lines{"$(id)", "a  b", "ended 0"});
  CHECK(launched("true", {.nodes = 2, .tasks = 2}) == Lines{"ended 1"});  // of no scheduler
}

TEST_CASE("wrapper: the largest payload fits Slurm's largest script") {
  auto spec = spec_of("#!/bin/sh\nexec /usr/bin/wc -c <\"$0\"\n");
  spec.script.resize(kMaxScriptBytes, '#');
  for (int i = 0; i < 2; ++i) spec.arguments.emplace_back(std::size_t{128'000}, 'a');
  const auto text = make_wrapper(spec);
  REQUIRE(text.has_value());
  CHECK(text->size() < std::size_t{4} << 20);
  Home home;
  home.write(spec);
  CHECK(home.run() == 0);
  CHECK(home.out() == std::to_string(kMaxScriptBytes) + "\n");
  auto full = spec_of("#!/bin/sh\n");
  full.script.resize(kMaxScriptBytes, '#');
  while (full.arguments.size() < 2) full.arguments.emplace_back(std::size_t{130'000}, 'a');
  REQUIRE(make_wrapper(full).has_value());
  CHECK(make_wrapper(full)->size() < std::size_t{4} << 20);
  for (auto& argument : full.arguments) argument.assign(130'000, '\n');  // four bytes each
  CHECK(make_wrapper(full).error().code == "PAYLOAD_NOT_DELIVERABLE");
}

TEST_CASE("wrapper: what cannot be delivered is refused with all faults") {
  auto spec = spec_of("no shebang");
  spec.script += '\0';
  spec.arguments = {std::string("a\0b", 3), std::string(kMaxArgumentBytes + 1, 'a')};
  spec.environment = {{"A=B", "x"}, {"", "x"}};
  const auto refused = make_wrapper(spec);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::invalid_argument);
  CHECK(refused.error().faults.size() == 6);
  for (const auto bad : {"", "/", "a b", "a'b", "$x", "../a", "a/../b", "..", "-a", "a%j", "a\\b", "a\nb"}) {
    INFO(bad);
    CHECK_FALSE(is_safe_work_dir(bad));
  }
  for (const auto good : {".hansa", "/scratch/alice/.hansa", "a/b..c", "/x@y+z,w"}) CHECK(is_safe_work_dir(good));
  auto odd = spec_of("#!/bin/sh\n");
  odd.tag = Tag("x'; id; '");
  CHECK_FALSE(make_wrapper(odd).has_value());
}

// ---- secrets

namespace {

struct SecretHome : Home {
  void bring(const std::string& file, const std::string& value) const {
    fs::create_directories(below("secrets/hansa-T-1"));
    std::ofstream(below("secrets/hansa-T-1/" + file)) << value;
  }
  static WrapperSpec with_secrets(std::string script, std::vector<std::string> files = {"token"}) {
    auto spec = spec_of(std::move(script));
    spec.secrets = std::move(files);
    return spec;
  }
  [[nodiscard]] bool gone() const { return !fs::exists(below("secrets/hansa-T-1")); }
};

}  // namespace

TEST_CASE("wrapper: secrets are there while the payload runs, and gone after it, however it ends") {
  SecretHome home;
  const auto [script, status] = GENERATE(table<std::string, int>({{"", 0},
                                                                  {"exit 7\n", 7},
                                                                  {"exit 137\n", 137},
                                                                  {"kill -9 $$\n", 137},
                                                                  {"kill -TERM $$\n", 143},
                                                                  {"kill -TERM $PPID $$\n", 143}}));
  home.bring("token", "s3cret");
  home.write(SecretHome::with_secrets("#!/bin/bash\n/bin/cat \"$HANSA_SECRET_DIR/token\"\necho told >&2\n" + script));
  CHECK(home.run("7") == status);
  CHECK(home.out() == "s3cret");
  CHECK(home.err() == "told\n");  // and nothing of bash's own
  CHECK(home.gone());
}

TEST_CASE("wrapper: signals of the scheduler reach the payload once, and the secrets go when it has ended") {
  SecretHome home;
  home.bring("token", "s3cret");
  home.write(
      SecretHome::with_secrets("#!/bin/bash\ntrap 'echo got' USR1\ntrap 'echo ending; exit 3' TERM\necho ready\n"
                               "while :; do /bin/sleep 0.05; done\n"));
  const auto wrapper = home.start("7", "0");
  while (home.out() != "ready\n") ::usleep(10'000);
  const auto children = [&] {
    std::ifstream file("/proc/" + std::to_string(wrapper) + "/task/" + std::to_string(wrapper) + "/children");
    std::vector<pid_t> all;
    for (pid_t pid = 0; file >> pid;) all.push_back(pid);
    return all;
  };
  const auto signal_all = [&](int number) {  // as a scheduler does
    for (const auto pid : children()) ::kill(pid, number);
    ::kill(wrapper, number);
  };
  signal_all(SIGUSR1);
  while (home.out() != "ready\ngot\n") ::usleep(10'000);
  CHECK_FALSE(home.gone());
  signal_all(SIGTERM);
  CHECK(Home::wait(wrapper) == 3);
  CHECK(home.out() == "ready\ngot\nending\n");
  CHECK(home.gone());
}

TEST_CASE("wrapper: a job without its secrets runs nothing, and a duplicate leaves those of the other") {
  SecretHome home;
  home.write(SecretHome::with_secrets("#!/bin/sh\necho ran\n", {"token", "other"}));
  SECTION("one is missing") {
    home.bring("token", "s3cret");
    CHECK(home.run("7") == kExitDeliveryFailed);
  }
  SECTION("one was emptied") {
    home.bring("token", "s3cret");
    home.bring("other", "");
    CHECK(home.run("7") == kExitDeliveryFailed);
  }
  SECTION("one is a link") {
    home.bring("token", "s3cret");
    fs::create_symlink("/etc/passwd", home.below("secrets/hansa-T-1/other"));
    CHECK(home.run("7") == kExitDeliveryFailed);
  }
  SECTION("a duplicate") {
    home.bring("token", "s3cret");
    home.bring("other", "s3cret");
    fs::create_symlink("job:6:0:x", home.below("fence/hansa-T-1.0"));
    CHECK(home.run("7") == kExitDuplicate);
    CHECK_FALSE(home.gone());
  }
  CHECK(home.out().empty());
}

TEST_CASE("wrapper: what may start again, or has other tasks, leaves its secrets to the broker") {
  SecretHome home;
  home.bring("token", "s3cret");
  auto spec = SecretHome::with_secrets("#!/bin/sh\n/bin/cat \"$HANSA_SECRET_DIR/token\"\n");
  SECTION("a requeue") {
    spec.may_requeue = true;
    home.write(spec);
    CHECK(home.run("7", "0") == 0);
    CHECK(home.run("7", "1") == 0);
  }
  SECTION("an array") {
    spec.array_variable = "SLURM_ARRAY_JOB_ID";
    home.write(spec);
    CHECK(home.run_task("40", 1, "41") == 0);
    CHECK(home.run_task("40", 2, "42") == 0);
  }
  CHECK(home.out() == "s3crets3cret");
  CHECK_FALSE(home.gone());
}

TEST_CASE("wrapper: secrets are named in it and never stand in it") {
  auto spec = SecretHome::with_secrets("#!/bin/sh\n");
  CHECK(make_wrapper(spec).value().contains("token"));
  for (const auto* bad : {"", ".hidden", "../x", "a b", "a'b", "$x"}) {
    spec.secrets = {bad};
    const auto refused = make_wrapper(spec);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().faults.front().where == "/secrets");
  }
}

}  // namespace hansa::connectors::transport
