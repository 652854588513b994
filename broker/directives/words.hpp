// SPDX-License-Identifier: Apache-2.0
#pragma once
// What sbatch and qsub both have and Hansa has not: why, and the nearest thing.

#include "broker/directives/values.hpp"

#include <string>
#include <string_view>

namespace hansa::directives {

inline constexpr std::string_view kQueueWords =
    "not used: Hansa chooses the site and its queue; narrow it with --site or --country";
inline constexpr std::string_view kOutputWords =
    "not used: hansa logs JOB shows what the job prints, hansa logs --stderr JOB the rest";
inline constexpr std::string_view kMailWords = "not used: Hansa sends no mail; hansa wait JOB ends with the job";
inline constexpr std::string_view kTurnWords = "not used: whose turn it is at a site is the site's to say";
inline constexpr std::string_view kCommandWords = "not used: it is about the command that submits";
inline constexpr std::string_view kShellWords =
    "the variables of the shell that submits do not travel; give those that are needed with --env NAME=VALUE";
inline constexpr std::string_view kNodesWords = "names nodes of one site; narrow where the job may go with --site";
inline constexpr std::string_view kStartWords =
    "Hansa has no start times; submit it then, or hold it: hansa hold JOB, hansa release JOB";
inline constexpr std::string_view kHoldWords = "jobs are held after they were submitted: hansa hold JOB";
inline constexpr std::string_view kFolderWords =
    "the job starts in a folder of its own at the site; begin the script with cd, or bring what is needed: --code, --data";
inline constexpr std::string_view kWholeWords =
    "shares nodes among some, which not every site can; nodes of its own are --exclusive, without a value";
inline constexpr std::string_view kDependencyWords =
    "names jobs of one site's scheduler, which Hansa does not know; name jobs of Hansa's: hansa submit --after ID";

inline std::string value_wanted(std::string_view variable) {
  const auto name = shown(variable);
  return "the value of " + name + " is that of the shell that submits, which Hansa does not see; give it with --env " + name +
         "=VALUE";
}

}  // namespace hansa::directives
