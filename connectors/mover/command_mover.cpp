// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/command_mover.hpp"

#include <algorithm>

namespace hansa::connectors::mover {
namespace {

using domain::TransferId;
using domain::TransferStatus;

Json question_about(const char* what, const std::vector<TransferId>& ids) {
  Json list = Json::array();
  for (const auto& id : ids) list.push_back(id.str());
  return {{"do", what}, {"ids", std::move(list)}};
}

std::unexpected<Error> not_understood(const transport::CommandResult& result) {
  return fail(
      ErrorKind::internal, "MOVER_ANSWER", "hansa-move-run gave no answer that can be understood",
      "exit status " + (result.exit_status ? std::to_string(*result.exit_status) : "none") + ": " + result.err.substr(0, 1000));
}

ErrorKind kind_named(std::string_view name) {
  for (int kind = 0; kind < static_cast<int>(ErrorKind::internal); ++kind) {
    if (to_string(static_cast<ErrorKind>(kind)) == name) return static_cast<ErrorKind>(kind);
  }
  return ErrorKind::internal;
}

std::unexpected<Error> told_error(const Json& json, const transport::CommandResult& result) {
  const auto text = [&](const char* key) {
    const auto at = json.find(key);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  if (!json.is_object() || text("code").empty()) return not_understood(result);
  return fail(kind_named(text("kind")), text("code"), text("message"), text("detail"));
}

Result<Root> root_of(const domain::ReplicaPlace& place, const MoverOptions& options) {
  const auto at = options.roots.find({place.site, place.root});
  if (at != options.roots.end()) return at->second;
  return fail(ErrorKind::invalid_argument, "ROOT_UNKNOWN",
              "no way is configured to root \"" + place.root.str() + "\" of site \"" + place.site.str() + "\"");
}

}  // namespace

Result<Order> order_for(domain::Transfer transfer, const MoverOptions& options) {
  auto from = root_of(transfer.from, options);
  if (!from) return std::unexpected(std::move(from.error()));
  auto to = root_of(transfer.to, options);
  if (!to) return std::unexpected(std::move(to.error()));
  Order order{.transfer = std::move(transfer),
              .from = std::move(*from),
              .to = std::move(*to),
              .tool = options.tool,
              .program = options.tool_program,
              .most_per_second = options.most_per_second};
  if (auto valid = check(order); !valid) return std::unexpected(std::move(valid.error()));
  return order;
}

async::Task<std::vector<TransferStatus>> CommandMover::ask(Json question, std::size_t transfers, async::Deadline deadline) {
  const auto result = co_await transport_.run({.program = options_.program,
                                               .arguments = {options_.spool},
                                               .environment = {},
                                               .working_directory = {},
                                               .input = canonical_json(question),
                                               .account = options_.account,
                                               .person = options_.person,
                                               .tag = {}},
                                              deadline);
  if (!result) co_return std::unexpected(result.error());
  if (result->timed_out) co_return std::unexpected(transport::deadline_passed());
  if (result->cancelled) co_return std::unexpected(transport::caller_cancelled());
  const auto json = parse_json(result->out);
  if (!json || !json->is_object()) co_return not_understood(*result);
  if (const auto error = json->find("error"); error != json->end()) co_return told_error(*error, *result);
  const auto list = json->find("transfers");
  if (!result->succeeded() || list == json->end() || !list->is_array() || list->size() != transfers)
    co_return not_understood(*result);
  std::vector<TransferStatus> statuses;
  for (const auto& entry : *list) {
    auto status = domain::transfer_status_from_json(entry);
    if (!status) co_return std::unexpected(std::move(status.error()));
    statuses.push_back(std::move(*status));
  }
  co_return statuses;
}

async::Task<TransferStatus> CommandMover::start(domain::Transfer transfer, async::Deadline deadline) {
  const auto order = order_for(std::move(transfer), options_);
  if (!order) co_return std::unexpected(order.error());
  auto statuses = co_await ask({{"do", "start"}, {"order", to_json(*order)}}, 1, deadline);
  if (!statuses) co_return std::unexpected(std::move(statuses.error()));
  co_return std::move(statuses->front());
}

async::Task<std::vector<TransferStatus>> CommandMover::status(std::vector<TransferId> ids, async::Deadline deadline) {
  co_return co_await ask(question_about("status", ids), ids.size(), deadline);
}

async::Task<> CommandMover::cancel(TransferId id, async::Deadline deadline) {
  const auto asked = co_await ask(question_about("cancel", {id}), 1, deadline);
  if (!asked) co_return std::unexpected(asked.error());
  co_return Result<void>();
}

async::Task<> CommandMover::forget(std::vector<TransferId> ids, async::Deadline deadline) {
  const auto asked = co_await ask(question_about("forget", ids), ids.size(), deadline);
  if (!asked) co_return std::unexpected(asked.error());
  co_return Result<void>();
}

}  // namespace hansa::connectors::mover
