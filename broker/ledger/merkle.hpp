// SPDX-License-Identifier: Apache-2.0
#pragma once
// The tree of RFC 6962: an append-only list whose root is 32 bytes, with proofs that a record is in it (inclusion) and that it
// has only grown (consistency), each of about log2(size) hashes.
//
// Hashes are kept of complete subtrees only, in the order in which they become known: a leaf's, then those of the subtrees that
// it completes, from small to large. Each has one place in that order (stored_place), so what is stored is append-only too.

#include "broker/core/digest.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::ledger {

using Hash = Sha256;
inline std::string_view bytes_of(const Hash& hash) { return {reinterpret_cast<const char*>(hash.data()), hash.size()}; }
/// Lower case.
std::string hex_of(std::string_view bytes);

Hash leaf_hash(std::string_view record);
Hash node_hash(const Hash& left, const Hash& right);

/// Of the n-th complete subtree of 2^level leaves.
std::int64_t stored_place(int level, std::int64_t n);
/// Hashes that a tree of so many leaves has stored.
std::int64_t stored_count(std::int64_t leaves);

/// The hash at a place below stored_count().
using ReadHash = std::function<Hash(std::int64_t place)>;

/// A tree as one that only adds to it needs it: the roots of its complete subtrees, from large to small.
class Peaks {
 public:
  Peaks() = default;
  /// Those of a stored tree.
  Peaks(std::int64_t size, const ReadHash& read);

  /// `keep` is given each hash that the leaf makes known, in their order.
  template <typename Keep>
  void add(const Hash& leaf, Keep keep) {
    keep(leaf);
    peaks_.push_back(leaf);
    for (auto ones = size_++; (ones & 1) != 0; ones >>= 1) {
      const auto joined = node_hash(peaks_[peaks_.size() - 2], peaks_.back());
      peaks_.pop_back();
      peaks_.back() = joined;
      keep(joined);
    }
  }
  void add(const Hash& leaf) {
    add(leaf, [](const Hash&) {});
  }
  [[nodiscard]] std::int64_t size() const { return size_; }
  /// Of the empty tree: SHA-256 of nothing.
  [[nodiscard]] Hash root() const;

 private:
  std::int64_t size_ = 0;
  std::vector<Hash> peaks_;
};

/// Of the first `size` leaves of a stored tree that has at least those.
Hash root_of(std::int64_t size, const ReadHash& read);
/// index < size.
std::vector<Hash> inclusion_proof(std::int64_t index, std::int64_t size, const ReadHash& read);
/// 0 < from <= to; empty if they are equal.
std::vector<Hash> consistency_proof(std::int64_t from, std::int64_t to, const ReadHash& read);

// What anybody can check who holds roots alone (RFC 9162, 2.1.3.2 and 2.1.4.2). Any numbers may come in.
bool is_included(std::span<const Hash> proof, std::int64_t index, std::int64_t size, const Hash& leaf, const Hash& root);
bool is_consistent(std::span<const Hash> proof, std::int64_t from, std::int64_t to, const Hash& root_from, const Hash& root_to);

}  // namespace hansa::ledger
