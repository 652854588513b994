// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/suppression.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace hansa::ledger {
namespace {

struct Edge {
  std::size_t ends[2] = {0, 0};  // nodes: a row and a column
  std::set<std::uint64_t> persons;
  bool hidden = false;
};

/// Rows and columns as nodes, the totals' own row and column among them.
class Table {
 public:
  Table(std::span<const TableCell> cells, std::size_t least) : least_(least) {
    total_row_ = node();
    total_column_ = node();
    for (const auto& cell : cells) { add(at(rows_, cell.row), at(columns_, cell.column), cell.persons); }
    cells_ = edges_.size();
    for (auto* lines : {&rows_, &columns_}) {
      for (const auto& [name, line] : *lines) {
        std::set<std::uint64_t> all;
        for (const auto edge : touching_[line]) all.insert(edges_[edge].persons.begin(), edges_[edge].persons.end());
        lines == &rows_ ? add(line, total_column_, all) : add(total_row_, line, all);
      }
    }
    std::set<std::uint64_t> all;
    for (std::size_t i = 0; i < cells_; ++i) all.insert(edges_[i].persons.begin(), edges_[i].persons.end());
    add(total_row_, total_column_, all);
  }

  void suppress() {
    for (auto& edge : edges_) edge.hidden = edge.persons.size() < least_;
    while (hide_more_in_lines() || hide_more_around_bridges()) {}
  }

  [[nodiscard]] Suppressed told() const {
    Suppressed told;
    for (std::size_t i = 0; i < cells_; ++i) told.cells.push_back(edges_[i].hidden);
    for (const auto& [name, line] : rows_) {
      if (edges_[total_of(line)].hidden) told.rows.insert(name);
    }
    for (const auto& [name, line] : columns_) {
      if (edges_[total_of(line)].hidden) told.columns.insert(name);
    }
    told.total = edges_.back().hidden;
    return told;
  }

 private:
  std::size_t node() {
    touching_.emplace_back();
    return touching_.size() - 1;
  }
  std::size_t at(std::map<std::string, std::size_t>& lines, const std::string& name) {
    const auto [line, is_new] = lines.try_emplace(name, 0);
    if (is_new) line->second = node();
    return line->second;
  }
  void add(std::size_t row, std::size_t column, const std::set<std::uint64_t>& persons) {
    touching_[row].push_back(edges_.size());
    touching_[column].push_back(edges_.size());
    edges_.push_back({.ends = {row, column}, .persons = persons});
  }
  [[nodiscard]] std::size_t total_of(std::size_t line) const { return touching_[line].back(); }  // added last
  [[nodiscard]] std::size_t other_end(std::size_t edge, std::size_t node) const {
    return edges_[edge].ends[edges_[edge].ends[0] == node ? 1 : 0];
  }
  [[nodiscard]] bool is_total(std::size_t edge) const { return edge >= cells_; }

  /// Of those that are seen, a cell before a total, of few persons before one of many; true if there is one.
  bool hide_least(const std::vector<std::size_t>& candidates) {
    std::optional<std::size_t> least;
    const auto rank = [&](std::size_t edge) { return std::tuple(is_total(edge), edges_[edge].persons.size(), edge); };
    for (const auto edge : candidates) {
      if (!edges_[edge].hidden && (!least || rank(edge) < rank(*least))) least = edge;
    }
    if (!least) return false;
    edges_[*least].hidden = true;
    return true;
  }

  /// Where a line's total is seen, what is left out of it is known in sum.
  bool hide_more_in_lines() {
    bool more = false;
    for (std::size_t line = 0; line < touching_.size(); ++line) {
      const auto total = total_of(line);
      while (!edges_[total].hidden) {
        std::set<std::uint64_t> hidden;
        bool any = false;
        for (const auto edge : touching_[line]) {
          if (!edges_[edge].hidden) continue;
          any = true;
          hidden.insert(edges_[edge].persons.begin(), edges_[edge].persons.end());
        }
        if (!any || hidden.size() >= least_) break;
        more |= hide_least(touching_[line]);
      }
    }
    return more;
  }

  bool hide_more_around_bridges() {
    for (const auto bridge : bridges()) {
      // What is on one side of it has no other unknown that leads out: one more must.
      std::vector<bool> side(touching_.size());
      std::vector<std::size_t> open{edges_[bridge].ends[0]};
      side[open.back()] = true;
      std::vector<std::size_t> nodes;
      while (!open.empty()) {
        const auto here = open.back();
        open.pop_back();
        nodes.push_back(here);
        for (const auto edge : touching_[here]) {
          const auto there = other_end(edge, here);
          if (edge == bridge || !edges_[edge].hidden || side[there]) continue;
          side[there] = true;
          open.push_back(there);
        }
      }
      std::vector<std::size_t> leading_out;
      for (const auto here : nodes) {
        for (const auto edge : touching_[here]) {
          if (!side[other_end(edge, here)]) leading_out.push_back(edge);
        }
      }
      if (hide_least(leading_out)) return true;  // there may be none any more
    }
    return false;
  }

  /// Tarjan's, without recursion: there may be as many lines as there are projects.
  [[nodiscard]] std::vector<std::size_t> bridges() const {
    std::vector<std::size_t> found, order(touching_.size()), low(touching_.size());
    std::size_t count = 0;
    struct Visit {
      std::size_t node, by, next;
    };
    for (std::size_t root = 0; root < touching_.size(); ++root) {
      if (order[root] != 0) continue;
      order[root] = low[root] = ++count;
      std::vector<Visit> path{{root, edges_.size(), 0}};
      while (!path.empty()) {
        auto& here = path.back();
        if (here.next < touching_[here.node].size()) {
          const auto edge = touching_[here.node][here.next++];
          if (!edges_[edge].hidden || edge == here.by) continue;
          const auto there = other_end(edge, here.node);
          if (order[there] != 0) {
            low[here.node] = std::min(low[here.node], order[there]);
          } else {
            order[there] = low[there] = ++count;
            path.push_back({there, edge, 0});
          }
          continue;
        }
        const auto done = here;
        path.pop_back();
        if (path.empty()) continue;
        auto& before = path.back();
        low[before.node] = std::min(low[before.node], low[done.node]);
        if (low[done.node] > order[before.node]) found.push_back(done.by);
      }
    }
    return found;
  }

  const std::size_t least_;
  std::vector<Edge> edges_;                         // cells, totals of rows and columns, the total of all
  std::vector<std::vector<std::size_t>> touching_;  // edges of each node
  std::map<std::string, std::size_t> rows_, columns_;
  std::size_t total_row_ = 0, total_column_ = 0, cells_ = 0;
};

}  // namespace

Suppressed suppress_small_cells(std::span<const TableCell> cells, std::size_t least) {
  if (cells.empty()) return {};
  Table table(cells, least);
  table.suppress();
  return table.told();
}

}  // namespace hansa::ledger
