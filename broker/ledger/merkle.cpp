// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/merkle.hpp"

#include "broker/core/encoding.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <string>

namespace hansa::ledger {
namespace {

std::uint64_t bits(std::int64_t n) { return static_cast<std::uint64_t>(n); }

/// The largest power of two below n; n > 1.
std::int64_t split_of(std::int64_t n) { return static_cast<std::int64_t>(std::bit_floor(bits(n - 1))); }

/// Of the leaves [from, to), where `from` begins a subtree that holds them.
Hash range_hash(std::int64_t from, std::int64_t to, const ReadHash& read) {
  const auto size = to - from;
  if (std::has_single_bit(bits(size))) {
    const auto level = std::countr_zero(bits(size));
    return read(stored_place(level, from >> level));
  }
  const auto middle = from + split_of(size);
  return node_hash(range_hash(from, middle, read), range_hash(middle, to, read));
}

}  // namespace

std::string hex_of(std::string_view bytes) { return to_hex(std::as_bytes(std::span(bytes))); }

Hash leaf_hash(std::string_view record) {
  thread_local std::string prefixed;
  prefixed.assign(1, '\0');
  prefixed += record;
  return sha256(prefixed);
}

Hash node_hash(const Hash& left, const Hash& right) {
  std::array<char, 65> both{'\1'};
  std::ranges::copy(bytes_of(left), both.begin() + 1);
  std::ranges::copy(bytes_of(right), both.begin() + 33);
  return sha256({both.data(), both.size()});
}

// Before the hash of leaf n there are those of n leaves, and of the subtrees that these completed: n less one for each peak.
std::int64_t stored_count(std::int64_t leaves) { return 2 * leaves - std::popcount(bits(leaves)); }

std::int64_t stored_place(int level, std::int64_t n) { return stored_count(((n + 1) << level) - 1) + level; }

Peaks::Peaks(std::int64_t size, const ReadHash& read) : size_(size) {
  std::int64_t from = 0;
  for (int level = 62; level >= 0; --level) {
    if (((size >> level) & 1) == 0) continue;
    peaks_.push_back(read(stored_place(level, from >> level)));
    from += std::int64_t{1} << level;
  }
}

Hash Peaks::root() const {
  if (peaks_.empty()) return sha256({});
  auto root = peaks_.back();
  for (auto peak = peaks_.rbegin() + 1; peak != peaks_.rend(); ++peak) root = node_hash(*peak, root);
  return root;
}

Hash root_of(std::int64_t size, const ReadHash& read) { return Peaks(size, read).root(); }

std::vector<Hash> inclusion_proof(std::int64_t index, std::int64_t size, const ReadHash& read) {
  std::vector<Hash> proof;  // from the root to the leaf, then turned
  for (std::int64_t from = 0, to = size; to - from > 1;) {
    const auto middle = from + split_of(to - from);
    if (index < middle) {
      proof.push_back(range_hash(middle, to, read));
      to = middle;
    } else {
      proof.push_back(range_hash(from, middle, read));
      from = middle;
    }
  }
  std::ranges::reverse(proof);
  return proof;
}

std::vector<Hash> consistency_proof(std::int64_t from, std::int64_t to, const ReadHash& read) {
  std::vector<Hash> proof;
  std::int64_t begin = 0, end = to;
  bool known = true;  // the old tree's root is the hash of this subtree: who asks has it
  while (from != end) {
    const auto middle = begin + split_of(end - begin);
    if (from <= middle) {
      proof.push_back(range_hash(middle, end, read));
      end = middle;
    } else {
      proof.push_back(range_hash(begin, middle, read));
      begin = middle;
      known = false;
    }
  }
  if (!known) proof.push_back(range_hash(begin, end, read));
  std::ranges::reverse(proof);
  return proof;
}

bool is_included(std::span<const Hash> proof, std::int64_t index, std::int64_t size, const Hash& leaf, const Hash& root) {
  if (index < 0 || index >= size) return false;
  auto at = index, last = size - 1;
  auto hash = leaf;
  for (const auto& other : proof) {
    if (last == 0) return false;
    if ((at & 1) == 1 || at == last) {
      hash = node_hash(other, hash);
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, other);
    }
    at >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

bool is_consistent(std::span<const Hash> proof, std::int64_t from, std::int64_t to, const Hash& root_from, const Hash& root_to) {
  if (from < 0 || from > to) return false;
  if (from == 0) return proof.empty() && root_from == sha256({});
  if (from == to) return proof.empty() && root_from == root_to;
  std::vector<Hash> path(proof.begin(), proof.end());
  if (std::has_single_bit(bits(from))) path.insert(path.begin(), root_from);
  if (path.empty()) return false;
  auto at = from - 1, last = to - 1;
  while ((at & 1) == 1) {
    at >>= 1;
    last >>= 1;
  }
  auto old_root = path.front(), new_root = path.front();
  for (const auto& other : std::span(path).subspan(1)) {
    if (last == 0) return false;
    if ((at & 1) == 1 || at == last) {
      old_root = node_hash(other, old_root);
      new_root = node_hash(other, new_root);
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      new_root = node_hash(new_root, other);
    }
    at >>= 1;
    last >>= 1;
  }
  return last == 0 && old_root == root_from && new_root == root_to;
}

}  // namespace hansa::ledger
