// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/domain.hpp"

#include "broker/core/countries.hpp"

#include <algorithm>
#include <limits>

namespace hansa::rules {
namespace {

template <typename Variant>
std::int64_t number_of(const Variant& value) {
  if (const auto* time = std::get_if<UtcTime>(&value)) return to_unix_ms(*time);
  return std::get<std::int64_t>(value);
}

template <typename T>
void sort_once(std::vector<T>& values) {
  std::ranges::sort(values);
  const auto again = std::ranges::unique(values);
  values.erase(again.begin(), again.end());
}

}  // namespace

Domain::Domain(Attribute attribute, const std::vector<const Clause*>& clauses, const FindSet& sets)
    : record_(record_of(attribute)), type_(member_type(record_.type)) {
  for (const auto* clause : clauses) {
    if (clause->attribute != attribute) continue;
    for (const auto& value : clause->values) {
      if (type_ == Type::id) ids_.push_back(std::get<std::string>(value));
      if (type_ == Type::integer || type_ == Type::time) numbers_.push_back(number_of(value));
    }
    if (type_ == Type::id && !clause->set.empty()) {
      const auto& set = sets(clause->set);
      ids_.insert(ids_.end(), set.values.begin(), set.values.end());
    }
  }
  sort_once(ids_);
  sort_once(numbers_);
  switch (type_) {
    case Type::boolean: cells_ = 2; break;
    case Type::word:
    case Type::level: cells_ = record_.words.size(); break;
    case Type::country: cells_ = kCountryCount; break;
    case Type::id: cells_ = ids_.size() + 1; break;         // the last one: every other id
    default: cells_ = 2 * numbers_.size() + 1;              // gap, number, gap, number, ..., gap
  }
  possible_ = Bits(cells_, true);
  if (type_ != Type::integer && type_ != Type::time) return;
  // A gap may hold no number at all, and an integer may have limits of its own.
  const bool limited = type_ == Type::integer;
  const auto least = limited ? record_.least : std::numeric_limits<std::int64_t>::min();
  const auto most = limited ? record_.most : std::numeric_limits<std::int64_t>::max();
  Bits real(cells_);
  for (std::size_t i = 0; i < numbers_.size(); ++i) real.set(2 * i + 1);
  for (std::size_t gap = 0; gap <= numbers_.size(); ++gap) {
    const bool first = gap == 0;
    const bool last = gap == numbers_.size();
    const bool empty = (first && last) ? false
                       : first         ? numbers_.front() <= least
                       : last          ? numbers_.back() >= most
                                       : numbers_[gap] - numbers_[gap - 1] <= 1;
    if (!empty) real.set(2 * gap);
  }
  possible_ = real;
}

std::size_t Domain::cell_of_text(std::string_view text) const {
  switch (type_) {
    case Type::country: return *country_index(text);
    case Type::id: {
      const auto found = std::ranges::lower_bound(ids_, text);
      return found != ids_.end() && *found == text ? static_cast<std::size_t>(found - ids_.begin()) : ids_.size();
    }
    default: return static_cast<std::size_t>(std::ranges::find(record_.words, text) - record_.words.begin());
  }
}

template <typename Variant>
std::size_t Domain::cell_of_any(const Variant& value) const {
  if (const auto* text = std::get_if<std::string>(&value)) return cell_of_text(*text);
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? 1 : 0;
  const auto number = number_of(value);
  const auto found = std::ranges::lower_bound(numbers_, number);
  const auto before = 2 * static_cast<std::size_t>(found - numbers_.begin());
  return found != numbers_.end() && *found == number ? before + 1 : before;
}

std::size_t Domain::cell_of(const Scalar& value) const { return cell_of_any(value); }
std::size_t Domain::cell_of(const Value& value) const { return cell_of_any(value); }

Bits Domain::at_most(std::size_t cell, bool itself) const {
  Bits cells(cells_);
  for (std::size_t i = 0; i < cell + (itself ? 1 : 0); ++i) cells.set(i);
  return cells;
}

Bits Domain::named_by(const Clause& clause, const FindSet& sets) const {
  Bits named(cells_);
  for (const auto& value : clause.values) named.set(cell_of(value));
  if (!clause.set.empty()) {
    for (const auto& value : sets(clause.set).values) named.set(cell_of_text(value));
  }
  if (is_several(record_.type)) return named;
  const Bits all(cells_, true);
  const auto one = clause.values.empty() ? 0 : cell_of(clause.values.front());
  switch (clause.op) {
    case Op::ne:
    case Op::not_in:
    case Op::not_in_set: return all - named;
    case Op::lt: return at_most(one, false);
    case Op::le:
    case Op::at_most: return at_most(one, true);
    case Op::gt: return all - at_most(one, true);
    case Op::ge:
    case Op::at_least: return all - at_most(one, false);
    default: return named;
  }
}

bool holds(Op op, const Bits& values, const Bits& named) {
  switch (op) {
    case Op::any_of:
    case Op::any_in_set: return values.meets(named);
    case Op::all_of: return named.within(values);
    case Op::none_of: return !values.meets(named);
    default: return values.within(named);
  }
}

}  // namespace hansa::rules
