// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/output_name.hpp"

#include "broker/wire/object_reader.hpp"

#include <algorithm>

namespace hansa::wire {

namespace {

constexpr std::size_t kMaxStepBytes = 255;  // NAME_MAX

std::string longer_than(std::size_t most) { return "is longer than " + std::to_string(most) + " bytes"; }

}  // namespace

std::string output_name_fault(std::string_view name) {
  if (name.empty() || name == "." || name == "..") return "the name of an output must be that of a file, as in \"model.pt\"";
  if (name.size() > kMaxOutputNameBytes) return "the name of an output " + longer_than(kMaxOutputNameBytes);
  if (std::ranges::any_of(name, is_control)) return "the name of an output must not hold control characters";
  if (name.contains('/')) {
    return "the name of an output must not hold '/'; give the path beside it, as in {\"model.pt\": \"results/model.pt\"}";
  }
  return {};
}

std::string output_path_fault(std::string_view path) {
  if (path.size() > kMaxOutputPathBytes) return longer_than(kMaxOutputPathBytes);
  if (std::ranges::any_of(path, is_control)) return "must not hold control characters";
  if (path.starts_with('/') || path.starts_with("~/")) {
    return "must be a path beneath the job's working folder, as in \"results/model.pt\"; have the job write or copy the file "
           "there";
  }
  std::size_t steps = 0;
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    const auto step = path.substr(begin, end - begin);
    if (step == "..") return "must not hold \"..\": only what is beneath the job's working folder is fetched";
    if (step.empty() || step == ".") {
      return "must be the path of a file, without empty steps or \".\", as in \"results/model.pt\"; of a folder have the job "
             "make an "
             "archive (tar -czf)";
    }
    if (step.size() > kMaxStepBytes) return "holds a name that " + longer_than(kMaxStepBytes);
    if (++steps > kMaxOutputFolders) return "has more than " + std::to_string(kMaxOutputFolders) + " steps";
    begin = end + 1;
  }
  return {};
}

}  // namespace hansa::wire
