// SPDX-License-Identifier: Apache-2.0
// What a job is brought: its script, code and software.
#include "broker/core/digest.hpp"
#include "broker/core/encoding.hpp"
#include "broker/domain/code_archive.hpp"
#include "tests/contract/connectors/contract_bench.hpp"

namespace hansa::contract {

TEST_CASE("connector: script, arguments and environment arrive byte for byte", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  auto request = bench.request(Behaviour{});
  // No line's end at the end, CRLF inside, quotes, an expansion, UTF-8: the script prints itself, then what it was given.
  request.payload.script =
      "#!/bin/bash\n# \xc3\xa4\xe6\x97\xa5\xf0\x9f\x98\x80 'x' \"y\" $(touch /tmp/hansa-must-not-exist) `z` \\\r\n"
      "base64 -w0 <\"$0\"; echo\nfor a in \"$@\"; do printf '%s' \"$a\" | base64 -w0; echo; done\n"
      "printf '%s' \"$ODD\" | base64 -w0; echo; printf '%s' \"$EMPTY\" | base64 -w0; echo; pwd -P | grep -c jobs; exit 0 # end";
  request.payload.arguments = {"plain",
                               "",
                               "-n",
                               "--",
                               "two  spaces",
                               "a'b\"c",
                               "line\nbreak\n",
                               "$(id) `id` $HOME ${x}",
                               "*",
                               "\\n\\",
                               "\xc3\xa4\xe6\x97\xa5",
                               std::string("tab\tcr\r"),
                               "%j %%"};
  request.payload.environment = {{"ODD", "first\nsecond 'x' \"y\" $(id) \\ = \xc3\xa4"}, {"EMPTY", ""}};
  const auto job = bench.submit(request);
  const auto ended = bench.wait_for_phase(job, Phase::ended);
  INFO(bench.output(job, ports::Stream::err));
  CHECK(ended.outcome == Outcome::succeeded);
  std::string expected = to_base64(request.payload.script) + '\n';
  for (const auto& argument : request.payload.arguments) expected += to_base64(argument) + '\n';
  expected += to_base64(request.payload.environment[0].second) + "\n\n1\n";
  CHECK(bench.output(job) == expected);
}

TEST_CASE("connector: code is in the working folder before the script starts, and is brought once", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  // Of this run alone: what an account has brought once stays with it.
  const auto text = "#!/bin/sh\n# " + bench.request(Behaviour{}).tag.str() + "\nwc -c <data/large | tr -d ' '\n";
  std::string large(5'000'000, '\0');
  for (std::size_t i = 0; i < large.size(); i += 4'093) large[i] = static_cast<char>(i % 251);
  const auto archive =
      domain::code_header({.path = "count", .kind = domain::CodeEntry::Kind::program, .size = text.size()}) + text +
      domain::code_padding(text.size()) + domain::code_header({.path = "data/large", .size = large.size()}) + large +
      domain::code_padding(large.size()) +
      domain::code_header({.path = "data/up", .kind = domain::CodeEntry::Kind::link, .size = 0, .target = "../count"}) +
      domain::code_end();
  std::size_t read = 0;
  const auto submit = [&](std::string script) {
    auto request = bench.request(Behaviour{});
    request.payload.script = std::move(script);
    request.code = {.id = domain::code_id_of(sha256_hex(archive)),
                    .size = archive.size(),
                    .read = [&](std::uint64_t offset, std::size_t limit) -> Task<std::string> {
                      read += 1;
                      co_return archive.substr(offset, limit);
                    }};
    return bench.submit(request);
  };
  const auto first = submit("#!/bin/sh\n./data/up\nsha256sum <data/large | cut -c 1-64\n");
  const auto ended = bench.wait_for_phase(first, Phase::ended);
  INFO(bench.output(first, ports::Stream::err));
  CHECK(ended.outcome == Outcome::succeeded);
  CHECK(bench.output(first) == "5000000\n" + sha256_hex(large) + "\n");
  CHECK(read > 1);
  const auto pieces = read;
  const auto second = submit("#!/bin/sh\n./count\n");
  CHECK(bench.wait_for_phase(second, Phase::ended).outcome == Outcome::succeeded);
  CHECK(bench.output(second) == "5000000\n");
  CHECK(read == pieces);
}

TEST_CASE("connector: a variant's modules and container are the script's and its GPUs are counted as programs do", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  auto request = bench.request(Behaviour{});
  request.variant = "amd";
  request.payload.script = "#!/bin/sh\necho \"$HANSA_VARIANT $LOADED $IN_IMAGE\"\n";
  SECTION("where the site's profile has them") {
    if (!bench.site().has_profile()) return;
    request.spec.software = {.image = "oras://r.example.org/x@sha256:" + std::string(64, 'a'), .binds = {}, .modules = {"torch"}};
    const auto seen = bench.ask(bench.connector().snapshot(bench.soon()));
    REQUIRE(seen);
    const bool gpus = std::ranges::any_of(seen->nodes, [](const domain::Node& node) { return node.gpus > 0; });
    request.spec.resources.gpus_per_node = gpus ? 1 : 0;
    request.devices_per_gpu = 2;
    request.payload.script += "echo \"$HANSA_GPUS_PER_NODE\"\n";
    const auto job = bench.submit(request);
    const auto ended = bench.wait_for_phase(job, Phase::ended);
    INFO(bench.output(job, ports::Stream::err));
    CHECK(ended.outcome == Outcome::succeeded);
    CHECK(bench.output(job) ==
          "amd GCC/13.2 PyTorch/2.3 oras://r.example.org/x@sha256:" + std::string(64, 'a') + (gpus ? "\n2\n" : "\n0\n"));
  }
  SECTION("where it does not nothing leaves for the site") {
    request.spec.software.modules = {"no-such"};
    const auto receipt = bench.ask(bench.connector().submit(request, bench.soon()));
    REQUIRE_FALSE(receipt);
    CHECK(ports::surely_not_sent(receipt.error()));
    CHECK(receipt.error().message.contains("no-such"));
  }
  SECTION("without any it is told which it is") {
    const auto job = bench.submit(request);
    CHECK(bench.wait_for_phase(job, Phase::ended).outcome == Outcome::succeeded);
    CHECK(bench.output(job) == "amd  \n");
  }
}

TEST_CASE("connector: a script of 2.5 MiB arrives", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  auto request = bench.request(Behaviour{});
  std::string& script = request.payload.script;
  script = "#!/bin/bash\nwc -c <\"$0\"\nexit 7\n";
  while (script.size() < (std::size_t{5} << 19)) script += "# 0123456789 0123456789 0123456789 0123456789 0123456789\n";
  script.resize(std::size_t{5} << 19);
  const auto job = bench.submit(request);
  CHECK(bench.wait_for_phase(job, Phase::ended).exit_code == 7);
  CHECK(bench.output(job) == "2621440\n");
}

}  // namespace hansa::contract
