// SPDX-License-Identifier: Apache-2.0
// Any bytes as a file of the local site's spool, torn or tampered with: an error, or a record that is written out and read back
// the same, and whose process ids are safe to signal.
#include "connectors/local/records.hpp"
#include "tests/fuzz/require.hpp"

using namespace hansa;
using namespace hansa::connectors::local;

namespace {

template <typename Record>
std::optional<Record> read(Result<Record> (*parse)(std::string_view), std::string_view text) {
  auto record = parse(text);
  if (!record) {
    require(!record.error().message.empty());
    return std::nullopt;
  }
  const auto again = parse(canonical_json(to_json(*record)));
  require(again.has_value() && *again == *record);
  return std::move(*record);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  read(job_record, text);
  if (const auto start = read(start_record, text)) require(start->supervisor > 1 && start->payload > 1);
  read(result_record, text);
  read(end_record, text);
  return 0;
}
