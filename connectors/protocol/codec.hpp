// SPDX-License-Identifier: Apache-2.0
#pragma once
// The values of ports::SiteConnector as the protocol's JSON, both ways (docs/connector-protocol.schema.json). What is read comes
// from another administration's machine: lengths, ranges, indices and names are checked here, fields that are not known are left
// alone. Times are milliseconds since 1970 UTC, bytes base 64.
//
// Reading: invalid_argument (BAD_MESSAGE), the first field that is wrong by its name.

#include "broker/core/canonical_json.hpp"
#include "broker/ports/site_connector.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hansa::connectors::protocol {

/// Bytes of one answer or of one piece of code: in base 64 it fits into a line.
inline constexpr std::size_t kMaxPieceBytes = std::size_t{4} << 20;

Json to_json(const domain::SiteSnapshot& snapshot);
Result<domain::SiteSnapshot> read_snapshot(const Json& json);

/// Of its code id and size alone; the bytes are asked for by read_code.
Json to_json(const ports::SubmitRequest& request);
Result<ports::SubmitRequest> read_submit(const Json& json);
Json to_json(const ports::SubmitReceipt& receipt);
Result<ports::SubmitReceipt> read_receipt(const Json& json);

struct CodePieceRequest {
  CodeId code;
  std::uint64_t offset = 0;
  std::size_t limit = 0;  // at most kMaxPieceBytes
};
Json to_json(const CodePieceRequest& request);
Result<CodePieceRequest> read_code_piece_request(const Json& json);
Json bytes_to_json(std::string_view bytes);
Result<std::string> read_bytes(const Json& json, std::size_t most);

Json jobs_to_json(const std::vector<ports::SiteJob>& jobs);
Result<std::vector<ports::SiteJob>> read_jobs(const Json& json);
Json to_json(const ports::FindResult& found);
Result<ports::FindResult> read_found(const Json& json);
Json to_json(const std::vector<ports::JobStatus>& statuses);
/// One for each of `wanted` jobs.
Result<std::vector<ports::JobStatus>> read_statuses(const Json& json, std::size_t wanted);

struct CancelRequest {
  ports::SiteJob job;
  ports::CancelWhen when = ports::CancelWhen::always;
};
Json to_json(const CancelRequest& request);
Result<CancelRequest> read_cancel(const Json& json);
Json to_json(domain::CancelOutcome outcome);
Result<domain::CancelOutcome> read_cancel_outcome(const Json& json);

Json to_json(const ports::Fence& fence);
Result<ports::Fence> read_fence(const Json& json);
Json to_json(const ports::SealOutcome& outcome);
Result<ports::SealOutcome> read_seal_outcome(const Json& json);

Json to_json(const ports::UsageCursor& cursor);
Result<ports::UsageCursor> read_cursor(const Json& json);
Json to_json(const ports::UsagePage& page);
/// `site` is what the broker calls it.
Result<ports::UsagePage> read_usage_page(const Json& json, const SiteId& site);

struct OutputRequest {
  ports::SiteJob job;
  ports::Stream stream = ports::Stream::out;
  std::uint64_t offset = 0;
  std::size_t limit = 0;
};
Json to_json(const OutputRequest& request);
Result<OutputRequest> read_output_request(const Json& json);
Json to_json(const ports::OutputChunk& chunk);
Result<ports::OutputChunk> read_output_chunk(const Json& json);

struct LookRequest {
  ports::SiteJob job;
  std::vector<std::string> paths;
};
Json to_json(const LookRequest& request);
Result<LookRequest> read_look_request(const Json& json);
Json to_json(const std::vector<ports::FileFacts>& files);
Result<std::vector<ports::FileFacts>> read_file_facts(const Json& json, std::size_t wanted);

struct FileRequest {
  ports::SiteJob job;
  std::string path;
  std::uint64_t offset = 0;
  std::size_t limit = 0;
};
Json to_json(const FileRequest& request);
Result<FileRequest> read_file_request(const Json& json);
Json to_json(const ports::FileChunk& chunk);
Result<ports::FileChunk> read_file_chunk(const Json& json);

struct SecretRemoval {
  ports::SiteJob job;
  std::vector<std::string> files;
};
Json to_json(const SecretRemoval& request);
Result<SecretRemoval> read_secret_removal(const Json& json);
Json to_json(const std::vector<ports::ProjectAccount>& wanted);
Result<std::vector<ports::ProjectAccount>> read_limits_request(const Json& json);
Json to_json(const ports::AccountLimits& answer);
Result<ports::AccountLimits> read_limits(const Json& json);

Json to_json(const ports::DoctorRequest& request);
Result<ports::DoctorRequest> read_doctor_request(const Json& json);
/// Of its findings and their number alone: when they were made is for whoever reads them to say.
Json report_to_json(const domain::DoctorReport& report);
Result<domain::DoctorReport> read_report(const Json& json, UtcTime now);

}  // namespace hansa::connectors::protocol
