// SPDX-License-Identifier: Apache-2.0
// sample_ledger write FILE: a ledger of a thousand records, as an export. sample_ledger sweep FILE STEP: flips every STEP-th byte
// of it, one at a time, and prints how many flips there were and how many of them `hansa ledger verify`'s check finds.
// sample_ledger forge FOLDER: ledgers that are whole, signed and false, a file of each.
#include "sample_ledger.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

using namespace hansa;
using namespace hansa::ledger;

namespace {

/// What comes before the flipped line has been checked once. A line that is taken all the same is another leaf, and another root.
int sweep(const std::string& text, std::size_t step) {
  std::size_t tried = 0, found = 0;
  ExportCheck before({});
  const auto total = static_cast<std::int64_t>(text.size());
  std::printf("size %lld\n", static_cast<long long>(total));
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin) + 1;
    for (auto at = begin; at < end; ++at) {
      if (at % step != 0) continue;
      ++tried;
      auto flipped = text.substr(begin);
      flipped[at - begin] = static_cast<char>(flipped[at - begin] ^ (1 << (at % 8)));
      auto check = before;
      auto taken = check.take(flipped);
      if (taken && check.finish())
        std::printf("not found: byte %zu\n", at);
      else
        ++found;
    }
    if (!before.take(std::string_view(text).substr(begin, end - begin))) return 1;
    begin = end;
  }
  std::printf("flips %zu found %zu\n", tried, found);
  return before.finish() && tried == found ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 3 && std::string_view(arguments[1]) == "write") {
    std::ofstream out(arguments[2], std::ios::binary);
    out << test::joined(test::sample_ledger(1'000).lines());
    return out.flush() ? 0 : 1;
  }
  if (count == 3 && std::string_view(arguments[1]) == "forge") {
    for (const auto& [what, sample] : test::forgeries()) {
      std::ofstream out(std::string(arguments[2]) + "/" + what, std::ios::binary);
      out << test::joined(sample.lines());
      if (!out.flush()) return 1;
    }
    return 0;
  }
  if (count == 4 && std::string_view(arguments[1]) == "sweep") {
    std::ifstream in(arguments[2], std::ios::binary);
    return sweep(std::string(std::istreambuf_iterator<char>(in), {}), std::strtoul(arguments[3], nullptr, 10));
  }
  return 2;
}
