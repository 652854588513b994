// SPDX-License-Identifier: Apache-2.0
#include "broker/app/serving.hpp"

#include "simulation/virtual_scheduler.hpp"

#include <catch2/catch.hpp>
#include <sys/resource.h>

#include <map>
#include <string>
#include <vector>

namespace hansa::app::test {

namespace {

using Kind = http::ServerEvent::Kind;

struct Lines final : ports::Log {
  struct Line {
    ports::LogLevel level;
    std::string sentence;
    std::map<std::string, std::string, std::less<>> fields;
  };
  void write(ports::LogLevel level, std::string_view sentence, std::initializer_list<ports::LogField> fields) override {
    Line line{.level = level, .sentence = std::string(sentence), .fields = {}};
    for (const auto& field : fields) line.fields.emplace(field.name, field.value);
    lines.push_back(std::move(line));
  }
  std::vector<Line> lines;
};

}  // namespace

TEST_CASE("a flood leaves so many lines in the log and then how many were left out") {
  simulation::VirtualScheduler time;
  Lines lines;
  RequestLog log(lines, time);
  for (int i = 0; i < 1'000; ++i) log.write({.kind = Kind::refused, .request_id = "r", .status = 400, .code = "BAD_REQUEST"});
  CHECK(lines.lines.size() == RequestLog::kLines);
  CHECK(lines.lines.front().sentence == "request refused");
  CHECK(lines.lines.front().fields["request"] == "r");
  time.advance(RequestLog::kIn);
  log.write({.kind = Kind::dropped});
  REQUIRE(lines.lines.size() == RequestLog::kLines + 2);
  CHECK(lines.lines[RequestLog::kLines].fields["left_out"] == "950");
  CHECK(lines.lines.back().sentence == "connection dropped");
}

TEST_CASE("requests that were answered are for who looks closely, but for those that were refused") {
  simulation::VirtualScheduler time;
  Lines lines;
  RequestLog log(lines, time);
  for (const int status : {200, 404, 401, 429}) log.write({.kind = Kind::answered, .target = "/v1/jobs?x=1", .status = status});
  REQUIRE(lines.lines.size() == 4);
  CHECK(lines.lines[0].level == ports::LogLevel::debug);
  CHECK(lines.lines[0].fields["target"] == "/v1/jobs");
  CHECK(lines.lines[1].level == ports::LogLevel::debug);
  CHECK(lines.lines[2].level == ports::LogLevel::info);
  CHECK(lines.lines[3].sentence == "request refused");
}

TEST_CASE("connections have the descriptors that there are") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 256;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  if (before.rlim_max >= 2'000) {
    CHECK(room_for_connections(1'000) == 1'000);
    rlimit raised{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &raised) == 0);
    CHECK(raised.rlim_cur >= 1'512);
  }
  CHECK(room_for_connections(std::size_t{1} << 40) <= before.rlim_max);
  CHECK(room_for_connections(1) == 1);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
}

}  // namespace hansa::app::test
