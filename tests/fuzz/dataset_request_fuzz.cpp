// SPDX-License-Identifier: Apache-2.0
// Any bytes as the body of what the registers are asked: a value that keeps its own bounds, or faults with their place.
#include "broker/wire/dataset_request.hpp"
#include "broker/wire/fact_request.hpp"
#include "tests/fuzz/require.hpp"

#include <array>

using namespace hansa;
using namespace hansa::wire;

namespace {

constexpr std::array<std::string_view, 4> kLabels{"open", "personal", "health", "export-controlled"};
constexpr std::array<std::string_view, 2> kSites{"alpha", "beta"};

template <typename T>
void require_told(const Result<T>& result) {
  if (result) return;
  require(result.error().code == "BAD_REQUEST" && !result.error().faults.empty() && result.error().faults.size() < 20'000);
  for (const auto& fault : result.error().faults)
    require((fault.where.empty() || fault.where.front() == '/') && !fault.message.empty());
}

void require_known(const domain::Labels& labels) {
  for (const auto& label : labels) require(std::ranges::find(kLabels, label.str()) != kLabels.end());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto json = parse_json(as_text(bytes, size));
  if (!json) return 0;
  const auto dataset = dataset_from_json(*json, kLabels);
  require_told(dataset);
  if (dataset) {
    const auto& content = dataset->what.content;
    require(domain::is_dataset_id(dataset->id.str()) && domain::is_content_hash(content.hash.str()));
    require(content.size.value >= 0 && content.files >= 0);
    require_known(dataset->what.labels);
  }
  const auto amendment = amendment_from_json(*json, kLabels);
  require_told(amendment);
  if (amendment) {
    require(amendment->labels || amendment->owner || amendment->permit || amendment->reviewed);
    if (amendment->labels) require_known(*amendment->labels);
  }
  const auto replica = replica_from_json(*json, kSites);
  require_told(replica);
  if (replica) {
    require(std::ranges::find(kSites, replica->what.site.str()) != kSites.end());
    require(replica->what.path.find('\0') == std::string::npos && !replica->what.path.starts_with('/'));
  }
  const auto evidence = evidence_from_json(*json);
  require_told(evidence);
  if (evidence) require(domain::is_content_hash(evidence->hash.str()));
  const auto fact = fact_from_json(*json);
  require_told(fact);
  if (fact) {
    const auto subject = fact->key.subject.str();
    require(domain::parse_subject(subject) == fact->key.subject && !fact->key.attribute.empty());
    require(fact->value || (!fact->until && fact->evidence.empty()));
  }
  return 0;
}
