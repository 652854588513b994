// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/merkle.hpp"

#include "broker/core/encoding.hpp"

#include <catch2/catch.hpp>

#include <span>
#include <string>
#include <vector>

using namespace hansa;
using namespace hansa::ledger;

namespace {

// RFC 6962's reference leaves and roots, as certificate-transparency's and transparency-dev/merkle's tests have them.
const std::vector<std::string> kLeaves{"",
                                       std::string(1, '\0'),
                                       "\x10",
                                       "\x20\x21",
                                       "\x30\x31",
                                       "\x40\x41\x42\x43",
                                       "\x50\x51\x52\x53\x54\x55\x56\x57",
                                       "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"};
constexpr const char* kRoots[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

std::string hex(const Hash& hash) { return to_hex(std::as_bytes(std::span(hash))); }
std::vector<std::string> hex(const std::vector<Hash>& hashes) {
  std::vector<std::string> all;
  for (const auto& hash : hashes) all.push_back(hex(hash));
  return all;
}

/// A tree with all that it stores.
struct Stored {
  Peaks peaks;
  std::vector<Hash> hashes;
  void add(const std::string& record) {
    peaks.add(leaf_hash(record), [&](const Hash& hash) { hashes.push_back(hash); });
  }
  [[nodiscard]] ReadHash reader() const {
    return [this](std::int64_t place) { return hashes.at(static_cast<std::size_t>(place)); };
  }
};

}  // namespace

TEST_CASE("roots are those of RFC 6962") {
  Stored tree;
  for (std::size_t n = 0; n <= kLeaves.size(); ++n) {
    CHECK(hex(tree.peaks.root()) == kRoots[n]);
    CHECK(hex(root_of(static_cast<std::int64_t>(n), tree.reader())) == kRoots[n]);
    if (n < kLeaves.size()) tree.add(kLeaves[n]);
  }
}

TEST_CASE("proofs are those of certificate transparency") {
  Stored tree;
  for (const auto& leaf : kLeaves) tree.add(leaf);
  using Hex = std::vector<std::string>;
  CHECK(hex(inclusion_proof(0, 8, tree.reader())) == Hex{"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                                                         "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                                                         "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"});
  CHECK(hex(inclusion_proof(5, 8, tree.reader())) == Hex{"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                                                         "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                                                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"});
  CHECK(hex(inclusion_proof(2, 3, tree.reader())) == Hex{kRoots[2]});
  CHECK(hex(consistency_proof(6, 8, tree.reader())) == Hex{"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                                                           "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                                                           "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"});
  CHECK(hex(consistency_proof(2, 5, tree.reader())) == Hex{"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                                                           "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"});
  CHECK(hex(consistency_proof(2, 8, tree.reader())) == Hex{"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                                                           "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"});
}

TEST_CASE("stored hashes lie where Go's sumdb has them") {
  // tlog.StoredHashIndex: level L's n-th hash comes right behind level L-1's (2n+1)-th.
  const auto go_index = [](int level, std::int64_t n) {
    for (int l = level; l > 0; --l) n = 2 * n + 1;
    std::int64_t i = 0;
    for (; n > 0; n >>= 1) i += n;
    return i + level;
  };
  for (int level = 0; level < 10; ++level) {
    for (std::int64_t n = 0; n < 100; ++n) CHECK(stored_place(level, n) == go_index(level, n));
  }
  CHECK(stored_count(0) == 0);
  CHECK(stored_count(5) == 8);
}

// As Go's tlog_test.go: every tree of up to 100 leaves, every leaf, every earlier tree, each proof hash spoilt.
TEST_CASE("every proof shows what it is for and nothing else") {
  Stored tree;
  std::vector<Hash> roots{tree.peaks.root()}, leaves;
  for (std::int64_t size = 1; size <= 100; ++size) {
    const auto record = "leaf " + std::to_string(size - 1);
    tree.add(record);
    leaves.push_back(leaf_hash(record));
    roots.push_back(tree.peaks.root());
    REQUIRE(static_cast<std::int64_t>(tree.hashes.size()) == stored_count(size));
    REQUIRE(Peaks(size, tree.reader()).root() == roots.back());
    int wrong = 0;
    for (std::int64_t at = 0; at < size; ++at) {
      const auto& leaf = leaves[static_cast<std::size_t>(at)];
      auto proof = inclusion_proof(at, size, tree.reader());
      if (!is_included(proof, at, size, leaf, roots.back())) ++wrong;
      if (is_included(proof, at, size, leaf, roots[static_cast<std::size_t>(size - 1)])) ++wrong;
      if (size > 1 && is_included(proof, (at + 1) % size, size, leaf, roots.back())) ++wrong;
      for (auto& hash : proof) {
        hash[0] ^= 1;
        if (is_included(proof, at, size, leaf, roots.back())) ++wrong;
        hash[0] ^= 1;
      }
      proof.push_back(leaf);
      if (is_included(proof, at, size, leaf, roots.back())) ++wrong;

      const auto from = at + 1;
      const auto& before = roots[static_cast<std::size_t>(from)];
      auto growth = consistency_proof(from, size, tree.reader());
      if (!is_consistent(growth, from, size, before, roots.back())) ++wrong;
      if (from < size && is_consistent(growth, from, size, roots[static_cast<std::size_t>(at)], roots.back())) ++wrong;
      for (auto& hash : growth) {
        hash[31] ^= 1;
        if (is_consistent(growth, from, size, before, roots.back())) ++wrong;
        hash[31] ^= 1;
      }
      growth.push_back(leaf);
      if (is_consistent(growth, from, size, before, roots.back())) ++wrong;
    }
    CHECK(wrong == 0);
  }
  CHECK(is_consistent({}, 0, 7, sha256({}), roots[7]));
  CHECK_FALSE(is_consistent({}, 0, 7, roots[1], roots[7]));
  CHECK_FALSE(is_consistent({}, 8, 7, roots[8], roots[7]));
  CHECK_FALSE(is_consistent({}, 3, 7, roots[3], roots[7]));
  CHECK_FALSE(is_included({}, 0, 0, leaves[0], roots[1]));
  CHECK_FALSE(is_included({}, -1, 1, leaves[0], roots[1]));
}
