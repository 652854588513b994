// SPDX-License-Identifier: Apache-2.0
// What git tracks in a folder, packed and brought. The real git.
#include "broker/cli/code_pack.hpp"

#include "broker/core/digest.hpp"
#include "broker/domain/code_archive.hpp"
#include "tests/unit/cli/call_under_test.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <fstream>

namespace hansa::cli {

namespace {

namespace fs = std::filesystem;

class Tree {
 public:
  Tree() { git("init -q ."); }

  void git(const std::string& words) const {
    INFO(words);
    REQUIRE(std::system(("cd '" + folder_.path.string() +
                         "' && git -c user.name=x -c user.email=x@y -c protocol.file.allow=always " + words + " >/dev/null 2>&1")
                            .c_str()) == 0);
  }
  void file(const std::string& path, const std::string& text) const {
    fs::create_directories((folder_.path / path).parent_path());
    std::ofstream(folder_.path / path, std::ios::binary) << text;
  }
  void link(const std::string& path, const std::string& target) const { fs::create_symlink(target, folder_.path / path); }
  [[nodiscard]] fs::path at(const std::string& path) const { return folder_.path / path; }
  [[nodiscard]] Result<CodePack> pack(const std::string& below = "") const {
    return CodePack::of((folder_.path / below).string(), [](const char*) -> const char* { return nullptr; });
  }
  [[nodiscard]] std::string fault(const std::string& below = "") const {
    const auto packed = pack(below);
    if (packed) return "";
    std::string told = packed.error().code + " " + packed.error().message;
    for (const auto& one : packed.error().faults) told += "\n" + one.where + ": " + one.message;
    return told;
  }

 private:
  tests::TemporaryFolder folder_;
};

std::string bytes_of(const CodePack& pack) { return pack.read(0, static_cast<std::size_t>(pack.size())).value(); }

/// Its entries: "path kind size".
std::vector<std::string> entries_of(const CodePack& pack) {
  const auto archive = bytes_of(pack);
  domain::CodeChecker checker;
  REQUIRE(checker.take(archive));
  REQUIRE(checker.finish());
  std::vector<std::string> entries;
  for (std::size_t at = 0; archive[at] != '\0';) {
    const std::string name(archive.data() + at);
    const auto size = std::stoul(archive.substr(at + 124, 11), nullptr, 8);
    entries.push_back(name + ' ' + archive[at + 156] + archive.substr(at + 104, 3) + ' ' + std::to_string(size));
    at += 512 + (size + 511) / 512 * 512;
  }
  return entries;
}

}  // namespace

TEST_CASE("what git tracks is packed as it lies there, and the same files are the same bytes", "[code]") {
  Tree tree;
  tree.file("train.py", "old");
  tree.file("lib/b.txt", "b");
  tree.file("lib.txt", "");
  tree.file("run.sh", "#!/bin/sh\n");
  tree.file("untracked", "x");
  tree.file("-x ö\n", "odd");
  tree.link("lib/up", "../train.py");
  fs::permissions(tree.at("run.sh"), fs::perms::owner_all);
  tree.git("add -- train.py lib lib.txt run.sh '-x ö\n'");
  tree.file("train.py", "changed since");
  const auto pack = tree.pack();
  REQUIRE(pack);
  CHECK(entries_of(*pack) == std::vector<std::string>{"-x ö\n 0644 3", "lib/b.txt 0644 1", "lib/up 2644 0", "lib.txt 0644 0",
                                                      "run.sh 0755 10", "train.py 0644 13"});
  CHECK(pack->id() == domain::code_id_of(sha256_hex(bytes_of(*pack))));
  CHECK_THAT(tree.fault("lib"), Catch::Contains("up"));  // it leads out of what is packed

  Tree other;  // later, by another way, with other permissions
  other.file("run.sh", "#!/bin/sh\n");
  other.file("lib.txt", "");
  other.file("train.py", "changed since");
  other.file("-x ö\n", "odd");
  other.file("lib/b.txt", "b");
  other.link("lib/up", "../train.py");
  other.git("add -A");
  fs::permissions(other.at("run.sh"), fs::perms::owner_all | fs::perms::group_all);
  fs::permissions(other.at("lib.txt"), fs::perms::owner_read);
  CHECK(other.pack()->id() == pack->id());
  other.file("lib.txt2", "");
  CHECK(other.pack()->id() == pack->id());
  fs::permissions(other.at("train.py"), fs::perms::owner_all);
  CHECK(other.pack()->id() != pack->id());
}

TEST_CASE("what cannot be packed is told, every file with its reason", "[code]") {
  Tree tree;
  CHECK_THAT(tree.fault(), Catch::StartsWith("NOTHING_TRACKED") && Catch::Contains("git add"));
  CHECK_THAT(tree.fault("none"), Catch::StartsWith("NO_WORK_TREE"));
  tree.file("good", "x");
  tree.file("gone", "x");
  tree.file("folder/file", "x");
  tree.link("out", "/etc/passwd");
  tree.link("up", "../x");
  tree.link("round", "good/../good");
  tree.git("add -A");
  fs::remove(tree.at("gone"));
  fs::rename(tree.at("folder"), tree.at("elsewhere"));
  tree.link("folder", "/etc");
  const auto told = tree.fault();
  CHECK_THAT(told, Catch::StartsWith("CODE_UNFIT") && Catch::Contains("5 things are wrong") &&
                       Catch::Contains("--code gone: is tracked by git and not there") &&
                       Catch::Contains("--code out: is a symbolic link to an absolute path") &&
                       Catch::Contains("--code up: is a symbolic link that leaves the folder") &&
                       Catch::Contains("--code round: ") &&
                       Catch::Contains("--code folder/file: is beneath something that is no folder"));
  tree.git("rm -q --cached out up round folder/file");
  CHECK_THAT(tree.fault(), Catch::StartsWith("CODE_UNFIT --code: gone is tracked by git and not there"));
  tree.git("rm -q --cached gone");
  CHECK(tree.fault() == "");

  Tree module;
  module.file("m", "module");
  module.git("add m");
  module.git("commit -q -m x");
  tree.git("submodule add -q '" + module.at("").string() + "' sub");
  CHECK(entries_of(*tree.pack()) ==
        std::vector<std::string>{".gitmodules 0644 " + std::to_string(fs::file_size(tree.at(".gitmodules"))), "good 0644 1",
                                 "sub/m 0644 6"});
  tree.git("submodule deinit -q -f sub");
  CHECK_THAT(tree.fault(), Catch::Contains("sub is a submodule that is not checked out"));

  const tests::TemporaryFolder plain;
  const auto none = CodePack::of(plain.path.string(), [](const char*) -> const char* { return nullptr; });
  REQUIRE_FALSE(none);
  CHECK(none.error().code == "NO_WORK_TREE");
  CHECK_THAT(none.error().message, Catch::Contains("not a git repository"));

  Tree huge;
  huge.file("model.bin", "");
  fs::resize_file(huge.at("model.bin"), domain::kMaxCodeBytes);
  huge.file("a.py", "x");
  huge.git("update-index --add --cacheinfo 100644,e69de29bb2d1d6434b8b29ae775ad8c2e48c5391,model.bin");
  CHECK_THAT(huge.fault(), Catch::StartsWith("CODE_TOO_LARGE") && Catch::Contains("the largest file is model.bin"));
}

TEST_CASE("code is brought once, before the job that names it", "[code]") {
  Tree tree;
  tree.file("a", std::string(2'500'000, 'a'));
  tree.git("add a");
  const auto pack = tree.pack();
  REQUIRE(pack);
  const auto folder = tree.at("").string();
  const auto state = [&](std::size_t received, bool complete) {
    return reply(200, R"({"id":")" + pack->id().str() + R"(","received_bytes":)" + std::to_string(received) + R"(,"complete":)" +
                          (complete ? "true}" : "false}"));
  };
  const auto submit = [&](ScriptedServer& server, Call& call) {
    const int status = call.run(server, {"submit", "--project", "p", "--label", "open", "--code", folder.c_str(), "-"});
    INFO(call.err);
    CHECK(status == 0);
    return server.requests();
  };
  {  // half of it is there, one piece's answer is lost, and the broker is away for a moment
    ScriptedServer server({state(1'000, false), state(1'049'576, false), "", state(2'098'152, false), state(pack->size(), true),
                           reply(201, job("queued"))});
    Call call;
    const auto sent = submit(server, call);
    REQUIRE(sent.size() == 6);
    CHECK(line_of(sent[0]).starts_with("GET /v1/code/sha256"));
    CHECK_THAT(line_of(sent[1]), Catch::StartsWith("PUT /v1/code/sha256") && Catch::Contains("offset=1000&project=p&label=open"));
    CHECK(header_of(sent[1], "Content-Type") == "application/octet-stream");
    CHECK(body_of(sent[1]) == bytes_of(*pack).substr(1'000, 1 << 20));
    CHECK(line_of(sent[3]).starts_with("GET "));
    CHECK(body_of(sent[4]) == bytes_of(*pack).substr(2'098'152));
    CHECK(Json::parse(body_of(sent[5]))["code"] == pack->id().str());
    CHECK(call.pauses.size() == 1);
  }
  {  // all of it is there
    ScriptedServer server({state(pack->size(), true), reply(201, job("queued"))});
    Call call;
    CHECK(submit(server, call).size() == 2);
  }
  {  // it may not come in: nothing is submitted
    ScriptedServer server({problem(404, "CODE_NOT_HERE"), problem(403, "RULES_DENY")});
    Call call;
    CHECK(call.run(server, {"submit", "--code", folder.c_str(), "-"}) == 4);
    CHECK(server.requests().size() == 2);
  }
  {  // a broker that is away for long
    ScriptedServer server({problem(503, "OVERLOADED"), problem(503, "OVERLOADED"), problem(503, "OVERLOADED"),
                           problem(503, "OVERLOADED"), problem(503, "OVERLOADED"), problem(503, "OVERLOADED")});
    Call call;
    CHECK(call.run(server, {"submit", "--code", folder.c_str(), "-"}) == 5);
    CHECK(call.pauses.size() == 5);
  }
  {  // what is asked without submitting brings nothing
    ScriptedServer server({problem(403, "RULES_DENY")});
    Call call;
    CHECK(call.run(server, {"submit", "--dry-run", "--code", folder.c_str(), "-"}) == 4);
    const auto sent = server.requests();
    REQUIRE(sent.size() == 1);
    CHECK(Json::parse(body_of(sent[0]))["code"] == pack->id().str());
  }
}

}  // namespace hansa::cli
