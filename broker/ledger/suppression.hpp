// SPDX-License-Identifier: Apache-2.0
#pragma once
// What of a table a third party may see: no figure of fewer than five persons, and none that the others give away.
//
// A table has rows and columns, a total of each and one of all. With all totals known, a figure that is left out follows from the
// others exactly if it is a bridge in the graph whose nodes are rows and columns and whose edges are the figures left out
// (Gusfield, "A graph theoretic approach to statistical data security", SIAM J. Comput. 17, 1988). So more is left out until
// there is no bridge, and until what is left out of a row or column whose total is seen is never, in sum, of fewer than five
// persons.
//
// Not for the funder of a project about that project, nor for whoever may see the records anyway. A pure function.

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace hansa::ledger {

inline constexpr std::size_t kLeastPersons = 5;

/// A figure of the table. A table of one dimension has one column, "".
struct TableCell {
  std::string row, column;
  /// Who is in it, each by any number that is theirs alone. Of more than kLeastPersons it is enough to name so many.
  std::set<std::uint64_t> persons;
};

/// What is to be left out.
struct Suppressed {
  std::vector<bool> cells;  // in the order of the cells given
  std::set<std::string> rows;  // whose total is left out
  std::set<std::string> columns;  // whose total is left out
  bool total = false;  // that of the whole table
};

/// Each cell once; what is not among them is seen to be nothing.
Suppressed suppress_small_cells(std::span<const TableCell> cells, std::size_t least = kLeastPersons);

}  // namespace hansa::ledger
