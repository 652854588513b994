// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/tool_output.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <fstream>
#include <sstream>

using namespace hansa;
using namespace hansa::connectors::mover;

namespace {

std::string captured(const std::string& name) {
  std::ostringstream text;
  text << std::ifstream(HANSA_SOURCE_DIR "/tests/data/mover/" + name, std::ios::binary).rdbuf();
  REQUIRE(!text.str().empty());
  return text.str();
}

ToolOutput after(Tool tool, std::string_view out, std::string_view err = "") {
  ToolOutput output(tool);
  output.take_out(out);
  output.take_err(err);
  return output;
}

}  // namespace

TEST_CASE("what rclone 1.60 wrote of three files of a megabyte") {
  const auto output = after(Tool::rclone, "", captured("rclone-1.60.1.jsonl"));
  CHECK(output.bytes() == 3'000'000);
  CHECK(output.files() == 3);
  CHECK(output.sent() == 3'000'000);
  CHECK(output.complaints().empty());
}

TEST_CASE("what rclone 1.60 wrote of a folder that is not there") {
  const auto output = after(Tool::rclone, "", captured("rclone-1.60.1-failed.jsonl"));
  CHECK(output.bytes() == 0);
  CHECK(output.complaints().contains(
      "Local file system at /data/nothing: error reading source root directory: directory not found"));
  CHECK(output.complaints().contains("Failed to copy: directory not found"));
}

TEST_CASE("what rsync 3.5 wrote of three files of a megabyte") {
  const auto output = after(Tool::rsync, captured("rsync-3.5.0.txt"));
  CHECK(output.bytes() == 3'000'000);
  CHECK(output.files() == 3);
  CHECK(output.sent() == 3'000'000);
}

TEST_CASE("rsync's words, one by one") {
  CHECK(after(Tool::rsync, "\r    268,435,456  50%  120.00MB/s    0:00:02 (xfr#3, to-chk=1/5)\n").bytes() ==
        268'435'456);  // 3.2, -h
  CHECK(after(Tool::rsync, "      32768   0%    0.00kB/s    0:00:00\r").bytes() == 32'768);
  const auto resumed = after(
      Tool::rsync, "  1000 100%    1.0kB/s    0:00:00 (xfr#1, to-chk=0/2)\nLiteral data: 400 bytes\nMatched data: 600 bytes\n");
  CHECK(resumed.bytes() == 1000);
  CHECK(resumed.sent() == 400);
  CHECK(after(Tool::rsync, "", "rsync error: some files vanished (code 24)\n").complaints() ==
        "rsync error: some files vanished (code 24)");
}

TEST_CASE("what is no progress moves nothing") {
  const auto* line =
      GENERATE("-1 50% x\n", "12 50 x\n", "12 x% x\n", "99999999999999999999 50% x\n", "file 50%\n", "50%\n", "\n", "1.5 50%\n",
               "12 50%", "0x10 50% x\n", "Literal data: -5 bytes\n", "Literal data: 5\n", "Literal data:\n");
  CAPTURE(line);
  const auto output = after(Tool::rsync, line);
  CHECK(output.bytes() == 0);
  CHECK(output.sent() == 0);
  CHECK(output.files() == 0);
  const auto* json = GENERATE(R"({"stats":{"bytes":-1}})", R"({"stats":{"bytes":1.5,"transfers":"2"}})",
                              R"({"stats":{"bytes":18446744073709551615}})", R"({"stats":7})", R"([{"stats":{"bytes":1}}])",
                              R"({"stats":{"bytes":1})", R"({"level":3,"msg":"x"})", R"({"level":"error","msg":1})");
  CAPTURE(json);
  CHECK(after(Tool::rclone, "", std::string(json) + "\n").bytes() == 0);
}

TEST_CASE("progress never falls, whatever the tool says") {
  ToolOutput output(Tool::rclone);
  output.take_err("{\"stats\":{\"bytes\":10,\"transfers\":2}}\n{\"stats\":{\"bytes\":4,\"transfers\":1}}\n");
  CHECK(output.bytes() == 10);
  CHECK(output.files() == 2);
}

TEST_CASE("lines that do not end and complaints without number are bounded") {
  ToolOutput output(Tool::rsync);
  for (int i = 0; i < 100; ++i) output.take_out(std::string(10'000, '7'));
  output.take_out(" 50%\n    5  50% x\n");
  CHECK(output.bytes() == 5);
  for (int i = 0; i < 100; ++i) output.take_err(std::string(1000, 'x') + "\x1b[31m" + std::to_string(i) + "\n");
  CHECK(output.complaints().size() < 8 * 401);
  output.take_err("\x1b[2Jlast\n");
  CHECK(output.complaints().ends_with("\n?[2Jlast"));
}

TEST_CASE("it does not matter in which pieces the words come") {
  for (const auto tool : {Tool::rclone, Tool::rsync}) {
    const auto text = captured(tool == Tool::rclone ? "rclone-1.60.1.jsonl" : "rsync-3.5.0.txt");
    const auto whole = after(tool, text, text);
    CHECK(rc::check([&] {
      ToolOutput output(tool);
      for (std::size_t at = 0; at < text.size();) {
        const auto size = *rc::gen::inRange<std::size_t>(1, 500);
        output.take_out(std::string_view(text).substr(at, size));
        output.take_err(std::string_view(text).substr(at, size));
        at += size;
      }
      RC_ASSERT(output.bytes() == whole.bytes());
      RC_ASSERT(output.files() == whole.files());
      RC_ASSERT(output.sent() == whole.sent());
      RC_ASSERT(output.complaints() == whole.complaints());
    }));
  }
}
