// SPDX-License-Identifier: Apache-2.0
// The real coreutils, through DirectTransport; and a transport that answers as told, for what cannot be had.

#include "connectors/transport/file_access.hpp"

#include "broker/async/real_scheduler.hpp"
#include "broker/core/digest.hpp"
#include "connectors/transport/direct_transport.hpp"
#include "tests/unit/async/manual_scheduler.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

using namespace hansa;
using namespace hansa::connectors::transport;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct Bench {
  boost::asio::io_context io;
  async::RealScheduler scheduler;
  DirectTransport transport{scheduler};
  FilesAt files{transport, LocalAccount(), Principal("local:alice"), "hansa-1-1"};
  tests::TemporaryFolder folder;

  async::Deadline soon() { return async::Deadline::in(scheduler, 20s); }
  auto mkdir(const std::string& path) { return async::run(io, files.make_directories({path}, soon())); }
  auto link(const std::string& target, const std::string& path) { return async::run(io, files.make_link(target, path, soon())); }
  auto read_link(const std::string& path) { return async::run(io, files.read_link(path, soon())); }
  auto read(const std::string& path, std::uint64_t offset, std::size_t count) {
    return async::run(io, files.read_range(path, offset, count, soon()));
  }
  auto look(std::vector<std::string> paths) { return async::run(io, files.look(std::move(paths), soon())); }
};

class ScriptedTransport final : public Transport {
 public:
  std::vector<Result<CommandResult>> answers;
  std::vector<Command> asked;

  async::Task<CommandResult> run(Command command, async::Deadline) override {
    asked.push_back(std::move(command));
    auto answer = answers.front();
    answers.erase(answers.begin());
    co_return answer;
  }
};

/// What one operation makes of an answer.
template <typename Operation>
auto told(Result<CommandResult> answer, Operation operation) {
  boost::asio::io_context io;
  ScriptedTransport transport;
  transport.answers = {std::move(answer)};
  const FilesAt files(transport, LocalAccount("alice"), Principal("local:alice"), "tag");
  return async::run(io, operation(files));
}

CommandResult failed(std::string err) {
  CommandResult result;
  result.err = std::move(err);
  result.exit_status = 1;
  return result;
}

constexpr auto kNever = async::Deadline::never();

}  // namespace

TEST_CASE("a folder is made for its account alone, and may be made again") {
  Bench bench;
  const auto path = bench.folder / "a/-b/c d";
  REQUIRE(bench.mkdir(path));
  struct stat made{};
  REQUIRE(::stat(path.c_str(), &made) == 0);
  CHECK((made.st_mode & 07777) == 0700);
  CHECK(bench.mkdir(path));

  std::ofstream(bench.folder / "file") << "x";
  CHECK(bench.mkdir(bench.folder / "file").error().kind == ErrorKind::conflict);
  CHECK(bench.mkdir(bench.folder / "file/below").error().kind == ErrorKind::conflict);
  CHECK(bench.mkdir("").error().kind == ErrorKind::invalid_argument);
  const std::vector<std::string> several{bench.folder / "b", bench.folder / "b/c", bench.folder / "d"};
  REQUIRE(async::run(bench.io, bench.files.make_directories(several, bench.soon())));
  for (const auto& each : several) {
    INFO(each);
    REQUIRE(::stat(each.c_str(), &made) == 0);
    CHECK((made.st_mode & 07777) == 0700);
  }
  CHECK(bench.mkdir("/proc/none").error().kind == ErrorKind::not_found);
}

TEST_CASE("a link is made once; who comes later is told whose it is") {
  Bench bench;
  const auto path = bench.folder / "tag.0";
  const auto first = bench.link("job:17:0", path).value();
  CHECK(first.created);
  CHECK(first.target == "job:17:0");
  const auto second = bench.link("sealed:x", path).value();
  CHECK_FALSE(second.created);
  CHECK(second.target == "job:17:0");
  CHECK(fs::read_symlink(path) == "job:17:0");
}

TEST_CASE("a link that leads to a folder is not entered, and a dangling one is one", "[T12]") {
  Bench bench;
  fs::create_directory(bench.folder / "real");
  fs::create_symlink(bench.folder / "real", bench.folder / "to-folder");
  const auto there = bench.link("sealed", bench.folder / "to-folder").value();
  CHECK_FALSE(there.created);
  CHECK(there.target == bench.folder / "real");
  CHECK(fs::is_empty(bench.folder / "real"));

  CHECK(bench.link("sealed", bench.folder / "real").error().kind == ErrorKind::conflict);  // a folder itself
  CHECK(fs::is_empty(bench.folder / "real"));
  CHECK(bench.link("sealed", bench.folder / "none/x").error().kind == ErrorKind::not_found);
}

TEST_CASE("odd names and targets arrive as they are", "[T12]") {
  Bench bench;
  for (const std::string name : {"-f", "--help", "a b", "$(id)", "'\"", "nl\n", "ü"}) {
    const auto path = bench.folder / name;
    INFO(path);
    CHECK(bench.link(name, path).value().created);
    CHECK(bench.read_link(path).value() == name);
    CHECK_FALSE(bench.link("x", path).value().created);
  }
}

TEST_CASE("relative paths, also ones that begin with a dash, lie beneath the home") {
  Bench bench;
  const auto own = bench.link("x", "-hansa-test-none/x");
  REQUIRE_FALSE(own);
  CHECK(own.error().kind == ErrorKind::not_found);
  CHECK_FALSE(bench.read_link("-hansa-test-none").value());
  CHECK_FALSE(bench.read("-hansa-test-none", 0, 1).value());
}

TEST_CASE("a missing link, and what is no link") {
  Bench bench;
  CHECK(bench.read_link(bench.folder / "none").value() == std::nullopt);
  CHECK(bench.read_link(bench.folder / "none/below").value() == std::nullopt);
  std::ofstream(bench.folder / "file") << "x";
  CHECK(bench.read_link(bench.folder / "file").error().kind == ErrorKind::conflict);
}

TEST_CASE("a range of a file is read byte for byte") {
  Bench bench;
  std::string content(200'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 % 251);
  const auto path = bench.folder / "out";
  std::ofstream(path, std::ios::binary) << content;

  CHECK(bench.read(path, 0, 10).value() == content.substr(0, 10));
  CHECK(bench.read(path, 7, 65'537).value() == content.substr(7, 65'537));
  CHECK(bench.read(path, 65'535, 131'073).value() == content.substr(65'535, 131'073));
  CHECK(bench.read(path, 199'990, 1000).value() == content.substr(199'990));
  CHECK(bench.read(path, 200'000, 10).value() == "");
  CHECK(bench.read(path, 5'000'000, 10).value() == "");
  CHECK(bench.read(bench.folder / "none", 0, 10).value() == std::nullopt);
  CHECK(bench.read(path, 0, 0).error().kind == ErrorKind::invalid_argument);
  std::ofstream(bench.folder / "empty") << "";
  CHECK(bench.read(bench.folder / "empty", 0, 10).value() == "");
}

TEST_CASE("a file is written piece by piece, has its digest read, and gets its name") {
  Bench bench;
  const auto ask = [&](auto task) { return async::run(bench.io, std::move(task)); };
  const auto file = bench.folder / "a file";
  REQUIRE(ask(bench.files.write_at(file, 0, "0123456789", false, kNever)));
  REQUIRE(ask(bench.files.write_at(file, 4, std::string("x\0\xffy", 4), true, kNever)));
  CHECK(ask(bench.files.read_range(file, 0, 100, kNever)).value() == std::string("0123x\0\xffy89", 10));
  CHECK(ask(bench.files.sha256(file, kNever)) == sha256_hex(std::string("0123x\0\xffy89", 10)));
  REQUIRE(ask(bench.files.write_at(file, 0, "", true, kNever)));
  CHECK(ask(bench.files.sha256(file, kNever)) == sha256_hex(""));
  fs::create_symlink("/etc/passwd", bench.folder / "link");
  CHECK(ask(bench.files.write_at(bench.folder / "link", 0, "x", true, kNever)).error().kind == ErrorKind::permission_denied);
  CHECK(ask(bench.files.write_at(bench.folder / "none/f", 0, "x", true, kNever)).error().kind == ErrorKind::not_found);
  CHECK(ask(bench.files.sha256(bench.folder / "none", kNever)).error().kind == ErrorKind::not_found);
  fs::create_directory(bench.folder / "folder");
  REQUIRE(ask(bench.files.rename(file, bench.folder / "-n", kNever)));
  CHECK_FALSE(ask(bench.files.rename(bench.folder / "-n", bench.folder / "folder", kNever)));  // not into it
  CHECK(ask(bench.files.rename(file, bench.folder / "-n", kNever)).error().kind == ErrorKind::not_found);
}

TEST_CASE("links, folders and pipes in a file's place are refused, at once", "[T12]") {
  Bench bench;
  std::ofstream(bench.folder / "secret") << "secret";
  fs::create_symlink(bench.folder / "secret", bench.folder / "link");
  fs::create_directory(bench.folder / "dir");
  REQUIRE(::mkfifo((bench.folder / "pipe").c_str(), 0600) == 0);

  CHECK(bench.read(bench.folder / "link", 0, 10).error().code == "FILE_IS_LINK");
  CHECK(bench.read(bench.folder / "dir", 0, 10).error().kind == ErrorKind::conflict);
  CHECK(bench.read(bench.folder / "pipe", 0, 10).value() == "");  // without a writer it is at its end
}

TEST_CASE("what is at many paths is seen at once, and nothing is followed") {
  Bench bench;
  std::ofstream(bench.folder / "file") << "12345";
  std::ofstream(bench.folder / "odd 'n\nl\" 81a4 0 1 1.0 x") << "";
  std::ofstream(bench.folder / "-L") << "x";
  fs::create_directory(bench.folder / "dir");
  fs::create_symlink(bench.folder / "file", bench.folder / "link");
  fs::create_symlink("nowhere", bench.folder / "dangling");
  REQUIRE(::mkfifo((bench.folder / "pipe").c_str(), 0600) == 0);
  std::vector<std::string> paths{bench.folder / "none", bench.folder / "file/below"};
  for (const auto* name : {"file", "odd 'n\nl\" 81a4 0 1 1.0 x", "-L", "dir", "link", "dangling", "pipe"})
    paths.push_back(bench.folder / name);
  for (int i = 0; i < 1'000; ++i) paths.push_back(bench.folder / ("none" + std::to_string(i)));  // more than one command takes
  const auto seen = bench.look(paths).value();
  using enum Seen::Kind;
  const std::map<std::string, Seen::Kind> expected{
      {bench.folder / "file", file},   {bench.folder / "odd 'n\nl\" 81a4 0 1 1.0 x", file},
      {bench.folder / "-L", file},     {bench.folder / "dir", folder},
      {bench.folder / "link", link},   {bench.folder / "dangling", link},
      {bench.folder / "pipe", special}};
  REQUIRE(seen.size() == expected.size());
  for (const auto& [path, kind] : expected) {
    CAPTURE(path);
    REQUIRE(seen.contains(path));
    CHECK(seen.at(path).kind == kind);
  }
  CHECK(seen.at(bench.folder / "file").size == 5);
  const auto version = [&] { return bench.look({bench.folder / "file"})->at(bench.folder / "file").version; };
  const auto before = version();
  CHECK(version() == before);
  std::ofstream(bench.folder / "file", std::ios::app) << "6";
  CHECK(version() != before);
  CHECK(bench.look({})->empty());
  CHECK(bench.look({""}).error().kind == ErrorKind::invalid_argument);
}

TEST_CASE("a look that failed is told from paths that are not there, and what is no answer is not believed") {
  const auto look = [](const FilesAt& files) { return files.look({"a", "b"}, kNever); };
  const auto missing = "stat: cannot statx 'a': No such file or directory\n";
  CHECK(told(failed(missing), look)->empty());
  CHECK(told(failed(std::string(missing) + "stat: cannot statx 'b': Permission denied\n"), look).error().code == "FILE_DENIED");
  CHECK(told(failed(std::string(missing) + "stat: cannot statx 'b': Input/output error\n"), look).error().kind ==
        ErrorKind::internal);
  CHECK(told(failed(""), look).error().kind == ErrorKind::internal);
  const auto answer = [](std::string out) {
    CommandResult result;
    result.exit_status = 0;
    result.out = std::move(out);
    return result;
  };
  using namespace std::string_literals;
  CHECK(told(answer("81a4 5 7 1.5 a\0"s), look)->at("a").version == "7-1.5-5");
  for (const auto& odd :
       {"81a4 5 7 1.5 a"s, "zz 5 7 1.5 a\0"s, "81a4 -5 7 1.5 a\0"s, "81a4 5 7/x 1.5 a\0"s, "81a4 5 7\0"s, "\0"s, "hello\n"s})
    CHECK(told(answer(odd), look).error().kind == ErrorKind::internal);
}

TEST_CASE("what the site's file system says has a meaning") {
  const auto make = [](const FilesAt& files) { return files.make_directories({"work"}, kNever); };
  CHECK(told(failed("mkdir: cannot create directory 'work': No space left on device\n"), make).error().kind ==
        ErrorKind::storage_full);
  CHECK(told(failed("mkdir: cannot create directory 'work': Disk quota exceeded\n"), make).error().kind ==
        ErrorKind::storage_full);
  CHECK(told(failed("mkdir: cannot create directory 'work': Permission denied\n"), make).error().kind ==
        ErrorKind::permission_denied);
  CHECK(told(failed("mkdir: cannot create directory 'work': Input/output error\n"), make).error().kind == ErrorKind::internal);
  // The words of a path are not the program's.
  CHECK(told(failed("mkdir: cannot create directory 'x: File exists\n': Input/output error\n"), make).error().kind ==
        ErrorKind::internal);
}

TEST_CASE("a change that was cut is not known; a question that was cut has no answer") {
  CommandResult late;
  late.timed_out = true;
  late.signal = 15;
  CommandResult cancelled = late;
  cancelled.timed_out = false;
  cancelled.cancelled = true;
  const auto make = [](const FilesAt& files) { return files.make_link("sealed", "fence", kNever); };
  const auto read = [](const FilesAt& files) { return files.read_link("fence", kNever); };
  CHECK(told(late, make).error().kind == ErrorKind::unknown_outcome);
  CHECK(told(cancelled, make).error().kind == ErrorKind::unknown_outcome);
  CHECK(told(CommandResult{}, make).error().kind == ErrorKind::unknown_outcome);
  CHECK(told(late, read).error().kind == ErrorKind::deadline_exceeded);
  CHECK(told(cancelled, read).error().kind == ErrorKind::cancelled);
  const auto refused = fail(ErrorKind::permission_denied, "ACCOUNT_DENIED", "no");
  CHECK(told(refused, make).error().code == "ACCOUNT_DENIED");
  CHECK(told(refused, read).error().code == "ACCOUNT_DENIED");
}

TEST_CASE("each operation is one command of the account's, in the C locale") {
  boost::asio::io_context io;
  ScriptedTransport transport;
  CommandResult fine;
  fine.exit_status = 0;
  transport.answers = {fine};
  const FilesAt files(transport, LocalAccount("alice"), Principal("local:alice"), "hansa-1-1");
  REQUIRE(async::run(io, files.make_link("sealed", "-x", kNever)));
  const auto& command = transport.asked.at(0);
  CHECK(command.program == "/usr/bin/ln");
  CHECK(command.arguments == std::vector<std::string>{"-s", "-n", "-T", "--", "sealed", "-x"});
  CHECK(command.environment == std::vector<std::pair<std::string, std::string>>{{"LC_ALL", "C"}});
  CHECK(command.account == LocalAccount("alice"));
  CHECK(command.person == Principal("local:alice"));
  CHECK(command.tag == "hansa-1-1");
}

TEST_CASE("a file is emptied, and none is made or followed for it") {
  Bench bench;
  const auto empty = [&](const std::string& path) { return async::run(bench.io, bench.files.empty_file(path, bench.soon())); };
  const auto path = bench.folder / "-secret";
  std::ofstream(path) << "what is in it";
  REQUIRE(empty(path));
  CHECK(fs::file_size(path) == 0);
  REQUIRE(empty(path));
  REQUIRE(empty(bench.folder / "none"));
  REQUIRE(empty(bench.folder / "no/folder"));
  CHECK_FALSE(fs::exists(bench.folder / "none"));
  std::ofstream(path) << "another's";
  fs::create_symlink(path, bench.folder / "link");
  CHECK(empty(bench.folder / "link").error().code == "FILE_IS_LINK");
  CHECK(fs::file_size(path) == 9);
  CHECK(empty("").error().code == "PATH");
}
