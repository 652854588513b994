// SPDX-License-Identifier: Apache-2.0
// Any line is what the other end of the connector protocol said. What is taken is within bounds, is UTF-8, and is written again
// as it was read.

#include "broker/core/encoding.hpp"
#include "broker/domain/secret_use.hpp"
#include "connectors/protocol/codec.hpp"
#include "connectors/protocol/rpc.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::connectors::protocol;

namespace {

template <typename T>
void require_same(const T& value, Result<T> (*read)(const Json&)) {
  const auto text = text_of(to_json(value));
  const auto again = read(Json::parse(text));
  require(again && text_of(to_json(*again)) == text);
}

void check_answers(const Json& json) {
  if (const auto snapshot = read_snapshot(json)) {
    require_same<domain::SiteSnapshot>(*snapshot, read_snapshot);
    for (const auto& queue : snapshot->queues) {
      for (const auto node : queue.nodes) require(node < snapshot->nodes.size());
    }
    for (const auto& work : snapshot->running) {
      for (const auto& share : work.shares) require(share.node < snapshot->nodes.size() && share.cores >= 0 && share.gpus >= 0);
    }
    for (const auto& work : snapshot->waiting) require(work.resources.nodes >= 1 && work.resources.tasks >= work.resources.nodes);
  }
  if (const auto receipt = read_receipt(json)) require(!receipt->site_job_id.empty() && is_utf8(receipt->site_job_id.str()));
  if (const auto statuses = read_statuses(json, 1)) {
    require((statuses->front().phase == ports::Phase::ended) == statuses->front().outcome.has_value());
    (void)to_json(*statuses);
  }
  if (const auto found = read_found(json)) require_same<ports::FindResult>(*found, read_found);
  if (const auto sealed = read_seal_outcome(json)) require_same<ports::SealOutcome>(*sealed, read_seal_outcome);
  if (const auto page = read_usage_page(json, SiteId("s"))) {
    for (const auto& record : page->records) {
      require(record.core_seconds.value >= 0 && record.elapsed.count() >= 0 && record.cores >= 0);
      require(domain::parse_tag(record.tag.str()).has_value());
    }
  }
  if (const auto chunk = read_output_chunk(json)) require(chunk->bytes.size() <= kMaxPieceBytes);
  if (const auto chunk = read_file_chunk(json)) require(chunk->bytes.empty() || chunk->facts.state == ports::FileState::file);
  static_cast<void>(read_file_facts(json, 1));
  static_cast<void>(read_cancel_outcome(json));
  if (const auto limits = read_limits(json)) {
    require_same<ports::AccountLimits>(*limits, read_limits);
    for (const auto& one : limits->limits) require(one.limit.left().value >= 0 && one.limit.left() <= domain::kMostCharge);
  }
  if (const auto report = read_report(json, {})) {
    for (const auto& found : report->findings) require(!found.bars || found.verdict == domain::DoctorVerdict::fault);
  }
}

void check_requests(const Json& json) {
  if (const auto request = read_submit(json)) {
    require(domain::parse_tag(request->tag.str()).has_value() && !request->person.empty());
    const auto again = read_submit(Json::parse(text_of(to_json(*request))));
    require(again && again->payload == request->payload);
  }
  if (const auto removal = read_secret_removal(json)) require(std::ranges::all_of(removal->files, domain::is_secret_name));
  static_cast<void>(read_jobs(json));
  static_cast<void>(read_cancel(json));
  static_cast<void>(read_fence(json));
  static_cast<void>(read_cursor(json));
  static_cast<void>(read_doctor_request(json));
  static_cast<void>(read_limits_request(json));
  static_cast<void>(read_look_request(json));
  if (const auto request = read_output_request(json)) require(request->limit <= kMaxPieceBytes);
  if (const auto request = read_file_request(json)) require(request->limit <= kMaxPieceBytes);
  if (const auto request = read_code_piece_request(json)) require(request->limit <= kMaxPieceBytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto json = parse_json(as_text(bytes, size));
  if (!json) return 0;
  check_answers(*json);
  check_requests(*json);
  const auto error = error_from_json(*json);
  require(!error.code.empty() && !error.message.empty());
  require(error_from_json(Json::parse(text_of(error_to_json(error)))).kind == error.kind);
  return 0;
}
