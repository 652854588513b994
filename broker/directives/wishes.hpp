// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the directives of one dialect ask for, as they say it.

#include "broker/directives/directives.hpp"
#include "broker/directives/lines.hpp"

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace hansa::directives {

struct Place {
  std::size_t line = 0;
  std::string words;
};

template <typename T>
struct Said {
  T value{};
  Place place;
};
template <typename T>
using Wish = std::optional<Said<T>>;

struct Gpus {
  std::int64_t count = 0;
  std::string model;
};

using Variable = std::pair<std::string, std::string>;

struct Wishes {
  Wish<std::int64_t> nodes;
  Wish<std::int64_t> tasks;
  Wish<std::int64_t> tasks_per_node;  // with `tasks`: at most
  Wish<std::int64_t> cpus_per_task;
  Wish<std::int64_t> cpus_per_node;
  Wish<std::int64_t> cpus_per_gpu;
  Wish<std::int64_t> memory_per_node;  // MiB, as the others
  Wish<std::int64_t> memory_per_cpu;
  Wish<std::int64_t> memory_per_gpu;
  Wish<std::int64_t> memory_in_all;
  Wish<Gpus> gpus_per_node;
  Wish<Gpus> gpus_per_task;
  Wish<Gpus> gpus_in_all;
  Wish<Seconds> time_limit;
  Wish<std::string> name;
  Wish<std::string> project;
  Wish<bool> requeue;
  Wish<bool> exclusive;
  Wish<std::string> array;
  std::vector<Said<Variable>> environment;  // each name once: see set_variable
  std::unordered_map<std::string, std::size_t> variables;  // name -> place in environment
};

struct Remarks {
  std::vector<Remark> notes;
  std::vector<Remark> faults;

  void note(const Place& place, std::string message) { add(notes, place, std::move(message)); }
  void fault(const Place& place, std::string message) { add(faults, place, std::move(message)); }

 private:
  static void add(std::vector<Remark>& to, const Place& place, std::string message) {
    if (to.size() < kMaxRemarks) to.push_back({place.line, place.words, std::move(message)});
  }
};

inline constexpr std::size_t kMaxVariables = 1'000;

/// The last value counts.
inline void set_variable(Wishes& wishes, Variable variable, const Place& place, Remarks& remarks) {
  auto& all = wishes.environment;
  const auto known = wishes.variables.find(variable.first);
  if (known != wishes.variables.end()) {
    all[known->second] = {std::move(variable), place};
  } else if (all.size() == kMaxVariables) {
    remarks.fault(place, "more than " + std::to_string(kMaxVariables) + " variables; keep them in a file at the site");
  } else {
    wishes.variables.emplace(variable.first, all.size());
    all.push_back({std::move(variable), place});
  }
}

/// "NAME=VALUE" of a list of variables. False: it is none, and nothing is set.
inline bool set_assigned(Wishes& wishes, std::string_view entry, const Place& place, Remarks& remarks) {
  const auto equals = entry.find('=');
  if (equals == std::string_view::npos) return false;
  set_variable(wishes, {std::string(entry.substr(0, equals)), std::string(entry.substr(equals + 1))}, place, remarks);
  return true;
}

/// Every directive of that dialect, up to the first that cannot be read, to `reader`; then it settles what hangs together.
template <typename Reader>
void read_directives(std::string_view script, Dialect dialect, Reader& reader, Remarks& remarks) {
  Lines lines(script, dialect);
  while (const auto line = lines.next()) {
    if (!line->fault.empty()) {
      remarks.fault({line->number, std::string(prefix_of(dialect))}, std::string(line->fault));
      break;
    }
    reader.read(*line);
  }
  reader.finish();
}

/// What #SBATCH lines ask for; `ignores_pbs`: one of them says that #PBS lines are not for this script.
Wishes slurm_wishes(std::string_view script, Remarks& remarks, bool& ignores_pbs);
/// The same of #PBS lines.
Wishes pbs_wishes(std::string_view script, Remarks& remarks);

}  // namespace hansa::directives
