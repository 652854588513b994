// SPDX-License-Identifier: Apache-2.0
// Any bytes as a rule pack and as a sites file: a result, or faults with their place. What parses is checked, tested and compiled
// without harm, and hashes the same as its own second reading.
#include "policies/rules/canonical.hpp"
#include "policies/rules/check.hpp"
#include "policies/rules/load.hpp"
#include "policies/rules/parse_pack.hpp"
#include "policies/rules/run_tests.hpp"
#include "tests/fuzz/require.hpp"

using namespace hansa;
using namespace hansa::rules;

namespace {

void require_told(const std::vector<Fault>& faults) {
  require(!faults.empty());
  for (const auto& fault : faults) require(fault.where.starts_with("/f:") && !fault.message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  const auto now = from_unix_seconds(1'800'000'000);
  const auto sites = parse_sites(text, "/f", now);
  if (!sites) require_told(sites.error().faults);
  const auto pack = parse_pack(text, "/f");
  if (!pack) {
    require_told(pack.error().faults);
    return 0;
  }
  const std::vector packs{*pack};
  const auto faults =
      check(packs,
            {.now = now, .sites = sites ? std::span<const SiteFacts>(*sites) : std::span<const SiteFacts>{}, .sites_file = "/f"});
  if (!faults.empty()) require_told(faults);
  const auto again = parse_pack(text, "/f");
  require(again && policy_hash(std::vector{*again}) == policy_hash(packs));
  const auto report = run_tests(*pack);
  require(report.has_value() && report->tests.size() == pack->tests.size());
  // Loading is the sum of these, and nothing else.
  const std::vector<PackText> texts{{"/f", std::string(text)}};
  require(load(texts).has_value() == (check(packs).empty() && report->faults(*pack).empty()));
  return 0;
}
