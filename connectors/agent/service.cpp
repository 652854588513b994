// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/service.hpp"

#include "connectors/protocol/codec.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

namespace hansa::connectors::agent {

using async::Deadline;
using async::Task;
namespace method = protocol::method;

namespace {

constexpr std::size_t kUsageBytes = std::size_t{4} << 20;  // of one answer, before it is written as JSON
constexpr std::size_t kRecordBytes = 600;                  // of a record beside its source line
constexpr std::string_view kRestPrefix = "rest:";          // "rest:<the connector's own cursor>"

template <typename T>
Result<Json> encoded(const Result<T>& answer) {
  if (!answer) return std::unexpected(answer.error());
  return protocol::to_json(*answer);
}

}  // namespace

Result<Json> Service::greet(const Json& params) {
  const auto versions = params.find("versions");
  const bool ours = versions != params.end() && versions->is_array() &&
                    std::ranges::find(*versions, Json(protocol::kVersion)) != versions->end();
  if (!ours) {
    const auto theirs = versions == params.end() ? std::string("none") : protocol::text_of(*versions).substr(0, 100);
    return fail(ErrorKind::unavailable, "PROTOCOL_VERSION",
                name_ + " speaks version " + std::to_string(protocol::kVersion) +
                    " of the connector protocol, the broker offers " + theirs + ": bring the older of the two up to date");
  }
  greeted_ = true;
  Json capabilities{{"code", true}, {"arrays", true}, {"doctor", true}, {"limits", true}, {"secrets", true}};
  if (asks_for_facts_) capabilities["facts"] = true;
  return Json{{"version", protocol::kVersion}, {"name", name_}, {"site", site_.str()}, {"capabilities", std::move(capabilities)}};
}

Task<Json> Service::serve(std::string name, Json params, Deadline deadline) {
  if (name == method::initialize) co_return greet(params);
  if (!greeted_) co_return fail(ErrorKind::invalid_argument, "NOT_INITIALIZED", "the first request must be initialize");
  if (name == method::snapshot) co_return encoded(co_await connector_.snapshot(deadline));
  if (name == method::submit) co_return co_await submit(std::move(params), deadline);
  if (name == method::usage) co_return co_await usage(std::move(params), deadline);
  if (name == method::find || name == method::status) {
    auto jobs = protocol::read_jobs(params);
    if (!jobs) co_return std::unexpected(std::move(jobs.error()));
    if (name == method::find) co_return encoded(co_await connector_.find(std::move(*jobs), deadline));
    co_return encoded(co_await connector_.status(std::move(*jobs), deadline));
  }
  if (name == method::cancel) {
    auto asked = protocol::read_cancel(params);
    if (!asked) co_return std::unexpected(std::move(asked.error()));
    co_return encoded(co_await connector_.cancel(std::move(asked->job), asked->when, deadline));
  }
  if (name == method::seal) {
    auto fence = protocol::read_fence(params);
    if (!fence) co_return std::unexpected(std::move(fence.error()));
    co_return encoded(co_await connector_.seal(std::move(*fence), deadline));
  }
  if (name == method::read_output) {
    auto asked = protocol::read_output_request(params);
    if (!asked) co_return std::unexpected(std::move(asked.error()));
    co_return encoded(
        co_await connector_.read_output(std::move(asked->job), asked->stream, asked->offset, asked->limit, deadline));
  }
  if (name == method::look_at) {
    auto asked = protocol::read_look_request(params);
    if (!asked) co_return std::unexpected(std::move(asked.error()));
    co_return encoded(co_await connector_.look_at(std::move(asked->job), std::move(asked->paths), deadline));
  }
  if (name == method::read_file) {
    auto asked = protocol::read_file_request(params);
    if (!asked) co_return std::unexpected(std::move(asked.error()));
    co_return encoded(
        co_await connector_.read_file(std::move(asked->job), std::move(asked->path), asked->offset, asked->limit, deadline));
  }
  if (name == method::remove_secrets) {
    auto asked = protocol::read_secret_removal(params);
    if (!asked) co_return std::unexpected(std::move(asked.error()));
    auto removed = co_await connector_.remove_secrets(std::move(asked->job), std::move(asked->files), deadline);
    if (!removed) co_return std::unexpected(std::move(removed.error()));
    co_return Json::object();
  }
  if (name == method::account_limits) {
    auto asked = protocol::read_limits_request(params);
    if (!asked) co_return std::unexpected(std::move(asked.error()));
    co_return encoded(co_await connector_.account_limits(std::move(*asked), deadline));
  }
  if (name == method::doctor) {
    auto asked = protocol::read_doctor_request(params);
    if (!asked) co_return std::unexpected(std::move(asked.error()));
    const auto report = co_await connector_.doctor(std::move(*asked), deadline);
    if (!report) co_return std::unexpected(report.error());
    co_return protocol::report_to_json(*report);
  }
  co_return fail(ErrorKind::invalid_argument, protocol::kMethodNotFound, "there is no method " + protocol::excerpt(name));
}

// ---- submission

Task<std::string> Service::read_code(CodeId id, std::uint64_t offset, std::size_t limit, Deadline deadline) {
  const auto most = std::min(limit, protocol::kMaxPieceBytes);
  const auto answer = co_await session_->call(
      method::read_code, protocol::to_json(protocol::CodePieceRequest{.code = std::move(id), .offset = offset, .limit = most}),
      deadline);
  if (!answer) {
    auto error = answer.error();
    if (error.kind == ErrorKind::unknown_outcome) error.kind = ErrorKind::unavailable;  // only read
    co_return std::unexpected(std::move(error));
  }
  co_return protocol::read_bytes(*answer, most);
}

Task<Json> Service::submit(Json params, Deadline deadline) {
  auto request = protocol::read_submit(params);
  if (!request) co_return std::unexpected(std::move(request.error()));
  params = {};
  if (!request->code.id.empty()) {
    request->code.read = [this, id = request->code.id, deadline](std::uint64_t offset, std::size_t limit) {
      return read_code(id, offset, limit, deadline);
    };
  }
  co_return encoded(co_await connector_.submit(std::move(*request), deadline));
}

// ---- accounting

/// A page that does not fit into an answer is told in several. The rest of it is kept for who asks for it next; whoever asks for
/// one that is kept no longer gets the page from its beginning, for repeats are harmless.
Task<Json> Service::usage(Json params, Deadline deadline) {
  const auto cursor = protocol::read_cursor(params);
  if (!cursor) co_return std::unexpected(cursor.error());
  const bool asks_for_rest = cursor->text.starts_with(kRestPrefix);
  const auto inner = asks_for_rest ? cursor->text.substr(kRestPrefix.size()) : cursor->text;
  ports::UsagePage page;
  if (asks_for_rest && rest_ && rest_->cursor == cursor->text) {
    page = std::move(rest_->page);
  } else {
    auto asked = co_await connector_.usage({.text = inner}, deadline);
    if (!asked) co_return std::unexpected(std::move(asked.error()));
    page = std::move(*asked);
  }
  rest_.reset();
  std::size_t bytes = 0;
  const auto end = std::ranges::find_if(page.records, [&](const domain::UsageRecord& record) {
    bytes += kRecordBytes + record.source_line.size();
    return bytes > kUsageBytes;
  });
  if (end == page.records.end() || end == page.records.begin()) co_return protocol::to_json(page);
  ports::UsagePage part{.records = {std::make_move_iterator(page.records.begin()), std::make_move_iterator(end)},
                        .next = {.text = std::string(kRestPrefix) + inner},
                        .complete = false,
                        .others = page.others ? std::optional<std::int64_t>(0) : std::nullopt};
  page.records.erase(page.records.begin(), end);
  rest_ = Rest{.cursor = part.next.text, .page = std::move(page)};
  co_return protocol::to_json(part);
}

}  // namespace hansa::connectors::agent
