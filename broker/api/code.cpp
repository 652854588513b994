// SPDX-License-Identifier: Apache-2.0
// The code that jobs name: brought in pieces, by its owner, for its owner's jobs. It is never given back.
#include "broker/api/answers.hpp"
#include "broker/domain/code_archive.hpp"
#include "policies/rules/vocabulary.hpp"

#include <algorithm>

namespace hansa::api {

namespace {

Result<CodeId> code_in(const Exchange& exchange) {
  const auto& text = exchange.path.at("digest");
  if (domain::is_code_id(text)) return CodeId(text);
  return fail(ErrorKind::invalid_argument, "BAD_CODE_ID", "code is called \"sha256:\" and 64 hex digits, those of its archive");
}

Json code_view(const CodeId& id, const ports::CodeState& state) {
  return {{"id", id.str()}, {"received_bytes", state.received}, {"complete", state.complete}};
}

}  // namespace

async::Task<http::Response> get_code(Exchange exchange) {
  const auto& owner = exchange.caller.principal;
  const auto id = code_in(exchange);
  if (!id) co_return std::unexpected(id.error());
  auto known = co_await on_engine(exchange, exchange.api.parts().engine.look_at_code(owner, *id));
  if (!known) co_return std::unexpected(known.error());
  if (!*known)
    co_return fail(ErrorKind::not_found, "CODE_NOT_HERE", "the code " + id->str() + " is not at this broker, or not yours");
  co_return json_answer(200, code_view(*id, **known));
}

async::Task<http::Response> put_code(Exchange exchange) {
  const auto& owner = exchange.caller.principal;
  constexpr auto kMost = static_cast<std::int64_t>(domain::kMaxCodeBytes);
  QueryReader query(exchange.request.query);
  const auto offset = query.integer("offset", 0, 0, kMost);
  const auto size = query.integer("size", offset + static_cast<std::int64_t>(exchange.request.body.size()), 1, kMost);
  domain::JobSpec spec{.project = ProjectId(query.text("project").value_or(""))};
  const auto known = rules::data_labels();
  for (auto& word : query.list("label")) {
    if (std::ranges::find(known, word) == known.end()) query.fault("label", no_such("label", word, known));
    spec.labels.emplace(std::move(word));
  }
  if (auto read = query.finish(); !read) co_return std::unexpected(read.error());
  const auto id = code_in(exchange);
  if (!id) co_return std::unexpected(id.error());
  ports::CodePiece piece{.id = *id,
                         .size = static_cast<std::uint64_t>(size),
                         .offset = static_cast<std::uint64_t>(offset),
                         .bytes = std::move(exchange.request.body)};
  auto state = co_await on_engine(exchange, exchange.api.parts().engine.take_code(owner, std::move(spec), std::move(piece)));
  if (!state) co_return std::unexpected(state.error());
  co_return json_answer(200, code_view(*id, *state));
}

}  // namespace hansa::api
