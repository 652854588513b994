// SPDX-License-Identifier: Apache-2.0
// Slurm's grammar of job arrays: what is one, what is none and why, and that every text is read back.
#include "broker/domain/task_array.hpp"

#include "broker/domain/one_range.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <set>

using namespace hansa;
using namespace hansa::domain;

namespace {

std::vector<std::int32_t> tasks(std::string_view text) { return parse_task_array(text).value().tasks; }
std::string fault_of(std::string_view text) {
  const auto parsed = parse_task_array(text);
  return parsed ? "" : parsed.error().message;
}

}  // namespace

TEST_CASE("numbers, ranges, steps and a limit") {
  CHECK(tasks("7") == std::vector{7});
  CHECK(tasks("0-3") == std::vector{0, 1, 2, 3});
  CHECK(tasks("4-4") == std::vector{4});
  CHECK(tasks("0-15:4") == std::vector{0, 4, 8, 12});
  CHECK(tasks("0-16:4") == std::vector{0, 4, 8, 12, 16});
  CHECK(tasks("3-4:100") == std::vector{3});
  CHECK(tasks("9,0,5-6") == std::vector{0, 5, 6, 9});
  CHECK(tasks("0-4000000:4000000") == std::vector{0, 4'000'000});
  CHECK(tasks("0-999").size() == 1'000);
  CHECK(tasks("007") == std::vector{7});
  CHECK(parse_task_array("0-99%10")->at_most == 10);
  CHECK(parse_task_array("0-99%10")->side_by_side() == 10);
  CHECK(parse_task_array("0-3%10")->side_by_side() == 4);
  CHECK(parse_task_array("0-3")->side_by_side() == 4);
  CHECK(TaskArray{}.side_by_side() == 1);
}

TEST_CASE("what is no set of tasks is said with its piece and why") {
  for (const auto* text : {"",
                           ",",
                           "1,",
                           ",1",
                           "1,,2",
                           "-",
                           "1-",
                           "-1",
                           "1--2",
                           "a",
                           "1 ",
                           " 1",
                           "1;2",
                           "0x1",
                           "+1",
                           "1.5",
                           "1-2:",
                           "1:2",
                           "1-2:3:4",
                           "1-2-3",
                           "[0-3]",
                           "0-3,%2",
                           "99999999999999999999"}) {
    INFO("\"" << text << "\"");
    CHECK_THAT(fault_of(text), Catch::Contains("is no set of tasks"));
  }
  for (const auto* text : {"0-3%", "0-3%0", "0-3%-1", "0-3%x", "0-3%2%3", "%2"}) {
    INFO("\"" << text << "\"");
    CHECK_FALSE(fault_of(text).empty());
  }
  CHECK_THAT(fault_of("5-3"), Catch::Contains("\"5-3\" runs backwards"));
  CHECK_THAT(fault_of("1-5:0"), Catch::Contains("needs a step of 1 or more"));
  CHECK_THAT(fault_of("1,3,0-1"), Catch::Contains("names task 1 a second time"));
  CHECK_THAT(fault_of("0-1000"), Catch::Contains("more than 1000 tasks"));
  CHECK_THAT(fault_of("0-2147483647"), Catch::Contains("largest task index, 4000000"));
  CHECK_THAT(fault_of("4000001"), Catch::Contains("largest task index"));
  CHECK_THAT(fault_of(std::string(100'000, '1')), Catch::Contains("is no set of tasks"));
}

TEST_CASE("the text of an array is the shortest and read back") {
  const auto canonical = [](std::string_view text) { return to_text(parse_task_array(text).value()); };
  CHECK(canonical("0,1,2,3") == "0-3");
  CHECK(canonical("0,4,8,12%2") == "0-12:4%2");
  CHECK(canonical("0-15:4") == "0-12:4");
  CHECK(canonical("9,1") == "1,9");
  CHECK(canonical("1,2,4,8") == "1-2,4,8");
  CHECK(task_ranges(tasks("0-15:4")) == "0,4,8,12");
  CHECK(task_ranges(tasks("3,0-1,5-7")) == "0-1,3,5-7");
  CHECK(task_ranges({}).empty());
  rc::prop("parse(to_text(a)) == a", [] {
    std::set<std::int32_t> indices;
    std::int32_t at = *rc::gen::inRange(0, 5);
    for (int i = *rc::gen::inRange(1, 200); i > 0; --i)
      indices.insert(at), at += *rc::gen::weightedElement<std::int32_t>({{5, 1}, {2, 3}, {1, 700}});
    const TaskArray array{.tasks = {indices.begin(), indices.end()}, .at_most = *rc::gen::inRange(0, 4)};
    RC_ASSERT(parse_task_array(to_text(array)).value() == array);
    RC_ASSERT(parse_task_array(task_ranges(array.tasks)).value().tasks == array.tasks);
  });
}

TEST_CASE("the task that a scheduler's id names is read, and nothing else for one") {
  CHECK(task_in("7", "7_3") == 3);
  CHECK(task_in("7", "7_0") == 0);
  CHECK(task_in("7[].pbs", "7[12].pbs") == 12);
  CHECK(task_in("7[]", "7[12]") == 12);
  const struct {
    const char* array;
    const char* task;
  } kNone[] = {{"", "_3"},          {"", ""},       {"7", "7"},        {"7", "7_"},     {"7", "7_[4-9]"}, {"7", "71_3"},
               {"7", "7_3x"},       {"7", "7_-3"},  {"7", "7[3]"},     {"7[]", "7_3"},  {"7[]", "7[]"},   {"7[].a", "7[3].b"},
               {"7[].a", "7[3]"},   {"7", "8_3"},   {"7", "7_4000001"}, {"7", "7_99999999999"}};
  for (const auto& [array, task] : kNone) {
    INFO(array << " " << task);
    CHECK_FALSE(task_in(array, task));
  }
}

TEST_CASE("tasks with one step between them are one range, however they were written") {
  const auto range = [](std::string_view text) { return one_range(parse_task_array(text).value()).value_or(""); };
  CHECK(range("0-3") == "0-3");
  CHECK(range("3,5") == "3-5:2");
  CHECK(range("5,3%1") == "3-5:2%1");
  CHECK(range("0,4,8,12") == "0-12:4");
  CHECK(range("0-15:4%2") == "0-12:4%2");
  CHECK(range("7").empty());
  CHECK(range("1,2,4").empty());
  CHECK(range("1-3,7").empty());
  CHECK(range("0,2,4,5").empty());
  CHECK_FALSE(one_range({}));
}
