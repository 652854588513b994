// SPDX-License-Identifier: Apache-2.0
// What is left out of a table cannot be worked out from what is seen: checked against linear algebra, on tables of all shapes.
#include "broker/ledger/suppression.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <random>

using namespace hansa::ledger;

namespace {

constexpr std::uint64_t kPrime = 2'147'483'647;

std::uint64_t inverse(std::uint64_t a) {
  std::uint64_t result = 1;
  for (std::uint64_t e = kPrime - 2; e > 0; e >>= 1, a = a * a % kPrime) {
    if (e & 1) result = result * a % kPrime;
  }
  return result;
}

/// A figure of the table with its totals: its row and column, "*" for a total's; whether it is seen.
struct Figure {
  std::string row, column;
  std::set<std::uint64_t> persons;
  bool seen = true;
};

std::vector<Figure> figures_of(const std::vector<TableCell>& cells, const Suppressed& told) {
  std::map<std::pair<std::string, std::string>, Figure> all;
  const auto put = [&](const std::string& row, const std::string& column, const std::set<std::uint64_t>& persons, bool seen) {
    auto& figure = all[{row, column}];
    figure.row = row;
    figure.column = column;
    figure.persons.insert(persons.begin(), persons.end());
    figure.seen = seen;
  };
  for (std::size_t i = 0; i < cells.size(); ++i) {
    put(cells[i].row, cells[i].column, cells[i].persons, !told.cells[i]);
    put(cells[i].row, "*", cells[i].persons, !told.rows.contains(cells[i].row));
    put("*", cells[i].column, cells[i].persons, !told.columns.contains(cells[i].column));
    put("*", "*", cells[i].persons, !told.total);
  }
  std::vector<Figure> list;
  for (auto& [at, figure] : all) list.push_back(std::move(figure));
  return list;
}

/// The unknown figures that all solutions of the sums agree on.
std::vector<const Figure*> determined(const std::vector<Figure>& figures) {
  std::vector<const Figure*> unknown;
  std::map<std::string, std::vector<std::pair<std::size_t, std::uint64_t>>> sums;
  for (const auto& figure : figures) {
    if (figure.seen) continue;
    const auto sign = [](bool total) { return total ? kPrime - 1 : std::uint64_t{1}; };
    sums["r" + figure.row].emplace_back(unknown.size(), sign(figure.column == "*"));
    sums["c" + figure.column].emplace_back(unknown.size(), sign(figure.row == "*"));
    unknown.push_back(&figure);
  }
  std::vector<std::vector<std::uint64_t>> matrix;
  for (const auto& [name, sum] : sums) {
    matrix.emplace_back(unknown.size());
    for (const auto& [at, sign] : sum) matrix.back()[at] = sign;
  }
  std::size_t rank = 0;
  std::vector<std::size_t> pivots;
  for (std::size_t column = 0; column < unknown.size() && rank < matrix.size(); ++column) {
    auto pivot = rank;
    while (pivot < matrix.size() && matrix[pivot][column] == 0) ++pivot;
    if (pivot == matrix.size()) continue;
    std::swap(matrix[rank], matrix[pivot]);
    const auto scale = inverse(matrix[rank][column]);
    for (auto& value : matrix[rank]) value = value * scale % kPrime;
    for (std::size_t row = 0; row < matrix.size(); ++row) {
      const auto factor = matrix[row][column];
      if (row == rank || factor == 0) continue;
      for (std::size_t i = 0; i < unknown.size(); ++i)
        matrix[row][i] = (matrix[row][i] + (kPrime - factor) * matrix[rank][i]) % kPrime;
    }
    pivots.push_back(column);
    ++rank;
  }
  std::vector<const Figure*> found;
  for (std::size_t i = 0; i < rank; ++i) {
    if (std::ranges::count_if(matrix[i], [](auto value) { return value != 0; }) == 1) found.push_back(unknown[pivots[i]]);
  }
  return found;
}

std::set<std::uint64_t> people(std::uint64_t from, std::uint64_t count) {
  std::set<std::uint64_t> all;
  for (std::uint64_t i = 0; i < count; ++i) all.insert(from + i);
  return all;
}

}  // namespace

TEST_CASE("where nobody is alone nothing is left out") {
  const std::vector<TableCell> cells{{"a", "", people(0, 5)}, {"b", "", people(5, 9)}};
  const auto told = suppress_small_cells(cells);
  CHECK(told.cells == std::vector{false, false});
  CHECK((told.rows.empty() && told.columns.empty() && !told.total));
  CHECK(suppress_small_cells({}).cells.empty());
}

TEST_CASE("a figure of few takes another with it") {
  const std::vector<TableCell> cells{{"a", "", people(0, 20)}, {"b", "", people(20, 4)}, {"c", "", people(30, 7)}};
  const auto told = suppress_small_cells(cells);
  CHECK(told.cells == std::vector{false, true, true});  // the smaller of the others
  CHECK(told.rows == std::set<std::string>{"b", "c"});
  CHECK_FALSE(told.total);
}

TEST_CASE("many figures of the same few are not told in sum") {
  std::vector<TableCell> cells;
  for (const auto* row : {"a", "b", "c", "d", "e", "f"}) cells.push_back({row, "", {1}});
  cells.push_back({"g", "", people(10, 30)});
  const auto told = suppress_small_cells(cells);
  CHECK(told.cells == std::vector<bool>(7, true));
}

TEST_CASE("a table of few is left out whole") {
  const std::vector<TableCell> cells{{"a", "x", people(0, 2)}, {"b", "x", people(1, 2)}};
  const auto told = suppress_small_cells(cells);
  CHECK(told.cells == std::vector{true, true});
  CHECK(told.total);
}

TEST_CASE("nothing that is left out follows from what is seen", "[T21]") {
  std::mt19937_64 random(7);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  std::size_t left_out = 0, seen = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::vector<TableCell> cells;
    const auto rows = 1 + below(6), columns = 1 + below(5), crowd = 1 + below(40);
    for (std::uint64_t r = 0; r < rows; ++r) {
      for (std::uint64_t c = 0; c < columns; ++c) {
        if (below(5) == 0) continue;
        TableCell cell{std::to_string(r), std::to_string(c), {}};
        for (auto n = 1 + below(below(3) == 0 ? 5 : 15); n > 0; --n) cell.persons.insert(below(crowd));
        cells.push_back(std::move(cell));
      }
    }
    if (cells.empty()) continue;
    const auto told = suppress_small_cells(cells);
    const auto figures = figures_of(cells, told);
    INFO("round " << round);
    std::map<std::string, std::set<std::uint64_t>> hidden;  // of lines
    std::map<std::string, bool> total_seen;
    for (const auto& figure : figures) {
      (figure.seen ? seen : left_out) += 1;
      if (figure.seen) REQUIRE(figure.persons.size() >= kLeastPersons);
      for (const auto& [line, is_total] :
           {std::pair("r" + figure.row, figure.column == "*"), std::pair("c" + figure.column, figure.row == "*")}) {
        if (is_total) total_seen[line] = figure.seen;
        if (!is_total && !figure.seen) hidden[line].insert(figure.persons.begin(), figure.persons.end());
      }
    }
    for (const auto& [line, persons] : hidden) REQUIRE((!total_seen[line] || persons.size() >= kLeastPersons));
    REQUIRE(determined(figures).empty());
  }
  CHECK(left_out > 1'000);
  CHECK(seen > 1'000);
}
