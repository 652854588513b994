// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a job at a model site really does. Its script says so, in lines that any shell takes for comments:
//
//   #model run=30s exit=3          runs 30 s (default 10 s; 0s, or a form of parse_duration) and exits with 3 (default 0)
//   #model fails=1,3-5             of an array: only these tasks exit so (with 1 if no exit is given)
//   #model signal=9                ends by that signal instead
//   #model node_fail=5s            its node dies 5 s into the first run
//   #model fence=error             its fence cannot be taken (a full quota, a missing folder)
//   #model-out any text            a line of its standard output; there from the start of the payload on
//   #model-err any text            a line of its standard error
//   #model-file path=any text      a line of a file in its working folder, there from the start on; "path=" makes it empty
//   #model-folder path             a folder there
//   #model-link path               a symbolic link there
//
// Several lines add up; of two values for one key the later one counts.

#include "broker/core/clock.hpp"
#include "broker/domain/task_array.hpp"
#include "broker/core/error.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace hansa::connectors::model {

struct Behaviour {
  Seconds run{10};
  std::int32_t exit_code = 0;
  domain::TaskArray failing_tasks;
  std::optional<std::int32_t> signal;
  std::optional<Seconds> node_fails_after;
  bool fence_error = false;
  std::string out;
  std::string err;
  struct Left {
    enum class Kind { file, folder, link } kind = Kind::file;
    std::string text;
  };
  std::map<std::string, Left> leaves;  // by path
};

/// invalid_argument, code MODEL_DIRECTIVE, for a `#model` line that says something else.
Result<Behaviour> parse_behaviour(std::string_view script);

}  // namespace hansa::connectors::model
