// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tables that a job cannot forge: every field is asked to end with a separator made anew for each call, which no job at the site
// can know.

#include "broker/async/child.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::batch {

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

inline constexpr std::size_t kMaxRows = 2'000'000;

/// A separator nobody at the site can guess: letters and digits, beginning with a letter (squeue -O would read a digit as a
/// width).
std::string make_separator(Random& random);

/// For an answer of which nothing is understood.
std::unexpected<Error> not_understood(const std::string& program, const Dropped& first, const async::ChildResult& result);

/// Rows that none of which is understood are no answer.
template <class Row>
Result<void> check_understood(const std::string& program, const Listing<Row>& listing, const async::ChildResult& result) {
  if (!listing.rows.empty() || listing.dropped.empty()) return {};
  return not_understood(program, listing.dropped.front(), result);
}

}  // namespace hansa::connectors::batch
