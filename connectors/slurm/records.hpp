// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tables that a hostile job name cannot forge.
//
// A job's name may hold anything: '|', line breaks, bytes that are no UTF-8 (tests/data/slurm/*/squeue.text-all.out). So every
// field is asked to end with a separator made anew for each call, which no job at the site can know:
// `squeue -O "JobID:SEP,Name:SEP,..."` and `sacct -p --delimiter=SEP -o ...` both write field SEP field SEP ... '\n'.

#include "broker/core/clock.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurm {

/// What a reader left out, and why. Rows are lost one by one: a bad one never takes others with it.
struct Dropped {
  std::size_t row = 0;  // from 1
  std::string why;
};

/// What one reader made of a site's answer.
template <class Row>
struct Listing {
  std::vector<Row> rows;
  std::vector<Dropped> dropped;
  bool complete = true;  // false: the answer was cut short, or longer than kMaxRows
};

using Fields = std::vector<std::string_view>;

inline constexpr std::size_t kMaxRows = 2'000'000;

/// Rows of exactly `columns` fields; the views are into `text`. A row that is not ended by '\n' right after its last
/// separator is dropped up to the next separator that is.
Listing<Fields> split_rows(std::string_view text, std::string_view separator, std::size_t columns);

/// A separator nobody at the site can guess: letters and digits, beginning with a letter (a digit would be read as a width by
/// -O).
std::string make_separator(Random& random);

}  // namespace hansa::connectors::slurm
