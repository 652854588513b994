// SPDX-License-Identifier: Apache-2.0
// Any bytes as an order or a status of a mover's spool, or of its answer, or as a note of a mover by jobs: an error, or a record
// that is written out and read back the same; an order that is read has passed its check.
#include "connectors/mover/job_notes.hpp"
#include "tests/fuzz/require.hpp"

using namespace hansa;
using namespace hansa::connectors::mover;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  if (const auto order = order_from_json(text)) {
    require(check(*order).has_value());
    const auto again = order_from_json(canonical_json(to_json(*order)));
    require(again && *again == *order);
  }
  if (const auto note = job_note_from_json(text)) {
    require(check(note->order).has_value());
    const auto again = job_note_from_json(canonical_json(to_json(*note)));
    require(again && *again == *note);
  }
  const auto json = parse_json(text);
  if (!json) return 0;
  if (const auto status = domain::transfer_status_from_json(*json)) {
    require(domain::transfer_status_from_json(to_json(*status)) == *status);
    require((status->phase == domain::TransferPhase::ended) == status->outcome.has_value());
  }
  return 0;
}
