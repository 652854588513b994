// SPDX-License-Identifier: Apache-2.0
#include "simulation/swf.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <fstream>

namespace hansa::simulation {
namespace {

const std::string kJob = "7 100 5 30 4 -1 -1 8 60 -1 1 3 1 -1 1 -1 -1 -1";

/// `kJob` with one field replaced.
std::string with_field(int number, const std::string& value) {
  std::string out;
  std::size_t at = 0;
  for (int field = 1; at < kJob.size(); ++field) {
    const auto end = std::min(kJob.find(' ', at), kJob.size());
    out += (out.empty() ? "" : " ") + (field == number ? value : kJob.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// A file that goes with the test.
class TestFile {
 public:
  explicit TestFile(const std::string& bytes) {
    const int fd = ::mkstemp(path_.data());
    if (fd < 0) std::abort();
    ::close(fd);
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  TestFile(const TestFile&) = delete;
  TestFile& operator=(const TestFile&) = delete;
  ~TestFile() { ::unlink(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/hansa-swf-test.XXXXXX";
};

std::string gzipped(const std::string& text) {
  const TestFile file("");
  auto* out = ::gzopen(file.path().c_str(), "wb");
  if (out == nullptr || ::gzwrite(out, text.data(), static_cast<unsigned>(text.size())) != static_cast<int>(text.size()))
    std::abort();
  ::gzclose(out);
  std::ifstream in(file.path(), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string many_jobs(int count) {
  std::string text = "; a comment\n";
  for (int i = 0; i < count; ++i)
    text += std::to_string(i) + " " + std::to_string(i * 10) + " -1 " + std::to_string(1 + i % 977) +
            " 1 -1 -1 -1 600 -1 1 2 1 -1 1 -1 -1 -1\n";
  return text;
}

}  // namespace

TEST_CASE("a trace: what is read of a line") {
  const auto trace = parse_swf("; Version: 2\n\n  " + kJob + " \r\n", "t.swf");
  REQUIRE(trace);
  REQUIRE(trace->jobs.size() == 1);
  CHECK(trace->jobs[0] == TraceJob{.number = 7, .submit = 100, .run = 30, .limit = 60, .cores = 8, .user = 3});
  CHECK(trace->without_run == 0);
}

TEST_CASE("a trace: what is not known is made up for, and jobs that never ran are left out") {
  const auto text = with_field(8, "-1") + "\n" +                 // allocated processors instead of requested ones
                    with_field(9, "-1") + "\n" +                 // the run time instead of the requested one
                    with_field(9, "20") + "\n" +                 // ran for longer than requested
                    with_field(4, "0") + "\n" +                  // counts as a second
                    with_field(4, "-1") + "\n" +                 // never ran
                    "8 100 5 30 -1 -1 -1 0 60 -1 1 3 1 -1 1 -1 -1 -1\n" +  // no processors
                    with_field(6, "12.75");                      // a fraction where nobody reads, and no final newline
  const auto trace = parse_swf(text, "t.swf");
  REQUIRE(trace);
  REQUIRE(trace->jobs.size() == 5);
  CHECK(trace->jobs[0].cores == 4);
  CHECK(trace->jobs[1].limit == 30);
  CHECK(trace->jobs[2].limit == 30);
  CHECK(trace->jobs[3].run == 1);
  CHECK(trace->without_run == 2);
}

TEST_CASE("a trace: jobs come in the order of their submits") {
  const auto trace = parse_swf(with_field(2, "300") + "\n" + with_field(2, "200") + "\n" + with_field(2, "250") + "\n", "t");
  REQUIRE(trace);
  CHECK(trace->jobs[0].submit == 200);
  CHECK(trace->jobs[1].submit == 250);
  CHECK(trace->jobs[2].submit == 300);
}

TEST_CASE("a trace: each malformed line is told with its place and what is allowed") {
  struct Case {
    std::string line;
    std::string told;
  };
  const Case cases[] = {
      {"1 2 3", "has 3 fields; a job has 18 numbers"},
      {kJob + " 5", "has 19 fields"},
      {with_field(4, "soon"), "field 4 is \"soon\"; allowed: a number"},
      {with_field(2, "-5"), "field 2 (submit time) is \"-5\"; allowed: whole numbers from 0 to 3162240000"},
      {with_field(4, "9223372036854775807"), "field 4 (run time)"},
      {with_field(4, "1e3"), "field 4 (run time) is \"1e3\""},
      {with_field(4, "99999999999999999999999"), "field 4"},
      {with_field(8, "100000001"), "field 8 (requested processors)"},
      {with_field(9, "1.5"), "field 9 (requested time) is \"1.5\""},
      {with_field(12, "-7"), "field 12 (user)"},
      {with_field(4, std::string("3\x1b[2J")), "is \"3?[2J\""},
      {with_field(4, "nan"), "field 4"},
      {std::string(5000, '7'), "is longer than 4096 bytes"},
  };
  for (const auto& [line, told] : cases) {
    CAPTURE(told);
    for (const bool last : {false, true}) {
      const auto trace = parse_swf(kJob + "\n" + line + (last ? "" : "\n" + kJob + "\n"), "t.swf");
      REQUIRE_FALSE(trace);
      CHECK(trace.error().code == "TRACE_MALFORMED");
      REQUIRE(trace.error().faults.size() == 1);
      CHECK(trace.error().faults[0].where == "t.swf:2");
      CHECK_THAT(trace.error().faults[0].message, Catch::Contains(told));
    }
  }
}

TEST_CASE("a trace: all faults up to ten") {
  const auto trace = parse_swf("a\nb\n" + kJob + "\nc\n", "t.swf");
  REQUIRE_FALSE(trace);
  CHECK(trace.error().faults.size() == 3);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "x\n";
  CHECK(parse_swf(many, "t.swf").error().faults.size() == 10);
}

TEST_CASE("a trace: nothing to play is an error") {
  for (const std::string text : {"", "\n\n", "; only a comment", "5 0 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1\n"}) {
    CAPTURE(text);
    const auto trace = parse_swf(text, "t.swf");
    REQUIRE_FALSE(trace);
    CHECK(trace.error().code == "TRACE_EMPTY");
  }
}

TEST_CASE("a trace from a file is the same, plain and gzipped") {
  const auto text = many_jobs(30'000);  // over several blocks
  const auto parsed = parse_swf(text, "t");
  REQUIRE(parsed);
  REQUIRE(parsed->jobs.size() == 30'000);
  const TestFile plain(text);
  const TestFile packed(gzipped(text));
  for (const auto* file : {&plain, &packed}) {
    const auto trace = read_swf(file->path());
    REQUIRE(trace);
    CHECK(trace->jobs == parsed->jobs);
  }
}

TEST_CASE("a trace from a file: what is wrong with the file is said") {
  CHECK(read_swf("/tmp/hansa-no-such-trace.swf").error().code == "TRACE_UNREADABLE");
  CHECK_THAT(read_swf("/tmp").error().message, Catch::Contains("no regular file"));
  const auto packed = gzipped(many_jobs(30'000));
  SECTION("cut off anywhere") {
    for (const auto keep :
         {std::size_t{5}, std::size_t{11}, packed.size() / 2, packed.size() - 9, packed.size() - 4, packed.size() - 1}) {
      CAPTURE(keep, packed.size());
      const TestFile cut(packed.substr(0, keep));
      CHECK_FALSE(read_swf(cut.path()));
    }
    const TestFile half(packed.substr(0, packed.size() / 2));
    CHECK_THAT(read_swf(half.path()).error().message, Catch::Contains("ends too early"));
  }
  SECTION("damaged") {
    auto bytes = packed;
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x55);
    CHECK_FALSE(read_swf(TestFile(bytes).path()));
  }
  SECTION("a line without end") {
    const TestFile endless(gzipped(std::string(3'000'000, '1')));
    const auto trace = read_swf(endless.path());
    REQUIRE_FALSE(trace);
    CHECK_THAT(trace.error().faults.at(0).message, Catch::Contains("longer than"));
  }
}

}  // namespace hansa::simulation
