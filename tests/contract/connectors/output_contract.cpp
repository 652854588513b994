// SPDX-License-Identifier: Apache-2.0
// What a job prints and leaves.
#include "tests/contract/connectors/contract_bench.hpp"

#include <unistd.h>

namespace hansa::contract {

TEST_CASE("connector: output is read in pieces, both streams apart", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  const auto blocker = bench.block_site();
  auto request = bench.request(Behaviour{});
  request.payload.script = "#!/bin/bash\nprintf 0123456789\nprintf 'to stderr' >&2\n";
  const auto job = bench.submit(request);
  const auto nothing = bench.ask(bench.connector().read_output(job, ports::Stream::out, 0, 100, bench.soon()));
  REQUIRE(nothing.has_value());
  CHECK_FALSE(nothing->exists);
  CHECK(nothing->bytes.empty());

  REQUIRE(bench.ask(bench.connector().cancel(blocker, CancelWhen::always, bench.soon())).has_value());
  bench.wait_for_phase(job, Phase::ended);
  CHECK(bench.output(job) == "0123456789");
  CHECK(bench.output(job, ports::Stream::err) == "to stderr");
  const auto piece = bench.ask(bench.connector().read_output(job, ports::Stream::out, 3, 4, bench.soon()));
  REQUIRE(piece.has_value());
  CHECK(piece->bytes == "3456");
  CHECK(piece->next_offset == 7);
  const auto past_the_end = bench.ask(bench.connector().read_output(job, ports::Stream::out, 10, 4, bench.soon()));
  REQUIRE(past_the_end.has_value());
  CHECK(past_the_end->bytes.empty());
  CHECK(past_the_end->next_offset == 10);
  CHECK(past_the_end->exists);
}

TEST_CASE("connector: what a job leaves is looked at and read in pieces, and nothing leads out of its folder",
          "[contract][T12]") {
  using ports::FileState;
  using enum Behaviour::Left::Kind;
  Bench bench;
  std::string large;
  while (large.size() < std::size_t{1'500'000})
    large += std::to_string(large.size()) + " 0123456789abcdefghijklmnopqrstuvwxyz ABCDEFG\n";
  const std::string odd = "a b/\xC3\xA4\xE6\x97\xA5 -x $(id)*";
  const auto job = bench.submit({.leaves = {{file, "large", large},
                                            {file, "empty"},
                                            {file, odd, "odd\n"},
                                            {file, "-n", "a dash\n"},
                                            {folder, "results"},
                                            {link, "passwd", "/etc/passwd"},
                                            {link, "etc", "/etc"},
                                            {link, "within", "large"},
                                            {file, "deep/er/file", "deep\n"}}});
  const std::vector<std::string> paths{"large",  "empty",   odd,       "-n",      "results",      "passwd",    "etc/passwd",
                                       "within", "no-such", "large/x", "deep/er", "deep/er/file", "results/no"};
  const std::vector<FileState> states{FileState::file,    FileState::file,    FileState::file,   FileState::file,
                                      FileState::folder,  FileState::link,    FileState::link,   FileState::link,
                                      FileState::missing, FileState::missing, FileState::folder, FileState::file,
                                      FileState::missing};
  bench.wait_for_phase(job, Phase::ended);
  const auto look = [&](const SiteJob& of) {
    auto facts = bench.ask(bench.connector().look_at(of, paths, bench.soon()));
    INFO((facts ? "" : facts.error().code + ": " + facts.error().message + " / " + facts.error().detail));
    REQUIRE(facts.has_value());
    REQUIRE(facts->size() == paths.size());
    return *facts;
  };
  const auto facts = look(job);
  const auto read = [&](const std::string& path, std::uint64_t offset, std::size_t limit) {
    auto chunk = bench.ask(bench.connector().read_file(job, path, offset, limit, bench.soon()));
    INFO((chunk ? "" : chunk.error().code + ": " + chunk.error().message + " / " + chunk.error().detail));
    REQUIRE(chunk.has_value());
    return *chunk;
  };
  for (std::size_t i = 0; i < paths.size(); ++i) {
    CAPTURE(paths[i]);
    CHECK(facts[i].state == states[i]);
    CHECK(facts[i].version.empty() == (states[i] != FileState::file));
    const auto chunk = read(paths[i], 0, 100);
    CHECK(chunk.facts == facts[i]);
    if (states[i] != FileState::file) CHECK(chunk.bytes.empty());
  }
  CHECK(facts[0].size == large.size());
  CHECK(facts[1].size == 0);
  CHECK(read(odd, 0, 100).bytes == "odd\n");
  CHECK(read("-n", 2, 4).bytes == "dash");
  CHECK(read("large", large.size(), 100).bytes.empty());
  CHECK(read("empty", 0, 100).bytes.empty());
  std::string whole;
  while (whole.size() < large.size()) {
    const auto piece = read("large", whole.size(), 400'000);
    REQUIRE(!piece.bytes.empty());
    whole += piece.bytes;
  }
  CHECK((whole == large));  // not shown: it is large

  // A job that leaves nothing has nothing.
  const auto other = bench.submit(Behaviour{});
  bench.wait_for_phase(other, Phase::ended);
  for (const auto& fact : look(other)) CHECK(fact == ports::FileFacts{});
  CHECK(bench.ask(bench.connector().look_at(job, {}, bench.soon()))->empty());
}

TEST_CASE("connector: a file that is written to is another version, and a job that has not begun has none", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  const auto blocker = bench.block_site();
  auto request = bench.request(Behaviour{});
  request.payload.script =
      "#!/bin/bash\nprintf one >f; touch written; while [ ! -e go ]; do sleep 0.1; done\nprintf two >f; chmod 000 f; mkfifo "
      "pipe\n";
  // It goes on when another job of the same account lets it.
  const auto job = bench.submit(request);
  const auto look = [&](const std::string& path) {
    auto facts = bench.ask(bench.connector().look_at(job, {path}, bench.soon()));
    REQUIRE(facts.has_value());
    return facts->front();
  };
  CHECK(look("f").state == ports::FileState::missing);
  REQUIRE(bench.ask(bench.connector().cancel(blocker, CancelWhen::always, bench.soon())).has_value());
  REQUIRE(bench.wait_for([&] { return look("written").state == ports::FileState::file; }));
  const auto before = look("f");
  CHECK(before.size == 3);
  auto go = bench.request(Behaviour{});
  go.payload.script = "#!/bin/bash\ntouch ../" + request.tag.str() + "/go\n";
  bench.submit(go);
  bench.wait_for_phase(job, Phase::ended);
  const auto after = look("f");
  CHECK(after.version != before.version);
  const auto unreadable = bench.ask(bench.connector().read_file(job, "f", 0, 10, bench.soon()));
  REQUIRE(unreadable.has_value());
  const bool root_reads_all = ::geteuid() == 0 && job.account.empty();
  CHECK(unreadable->facts.state == (root_reads_all ? ports::FileState::file : ports::FileState::unreadable));
  CHECK(unreadable->bytes == (root_reads_all ? "two" : ""));
  CHECK(look("pipe").state == ports::FileState::special);
}

}  // namespace hansa::contract
