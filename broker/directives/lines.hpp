// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which lines of a script are directives, and the words in them, as sbatch (22.05, src/sbatch/opt.c) and qsub (OpenPBS 23.06,
// src/cmds/qsub.c, qsub_sup.c) see it.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::directives {

enum class Dialect { slurm, pbs };

struct Line {
  std::size_t number = 0;          // from 1, of its first line if it is continued
  std::vector<std::string> words;
  std::string_view fault;          // why it cannot be read
};

/// In order, up to the first line that is a command: reading goes on until `next` has nothing.
class Lines {
 public:
  Lines(std::string_view script, Dialect dialect) : rest_(script), dialect_(dialect) {}
  std::optional<Line> next();

 private:
  std::string_view take_line();

  std::string_view rest_;
  Dialect dialect_;
  std::size_t number_ = 0;
};

inline constexpr std::string_view prefix_of(Dialect dialect) { return dialect == Dialect::slurm ? "#SBATCH" : "#PBS"; }

}  // namespace hansa::directives
