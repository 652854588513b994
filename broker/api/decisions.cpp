// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"
#include "policies/routing/replay.hpp"

#include <charconv>

namespace hansa::api {

namespace {

constexpr std::int64_t kUsualPage = 200;
constexpr std::size_t kMostInputBytes = std::size_t{4} << 20;  // of input documents that one page is made from
constexpr std::size_t kInputDepth = 16;

std::optional<std::int64_t> after_of(const std::string& cursor) {
  std::int64_t sequence = 0;
  const auto* end = cursor.data() + cursor.size();
  const auto [at, error] = std::from_chars(cursor.data(), end, sequence);
  if (error != std::errc{} || at != end || sequence < 0) return std::nullopt;
  return sequence;
}

}  // namespace

/// Evidence says of people and projects what their jobs may do.
async::Task<http::Response> list_decisions(Exchange exchange) {
  auto& parts = exchange.api.parts();
  QueryReader query(exchange.request.query);
  ports::DecisionQuery wanted{.from = query.time("from").value_or(UtcTime{}),
                              .to = query.time("to").value_or(parts.scheduler.now_utc() + Milliseconds{1})};
  wanted.limit = static_cast<std::size_t>(query.integer("limit", kUsualPage, 1, kMaxPage));
  if (const auto cursor = query.text("cursor")) {
    const auto after = after_of(*cursor);
    if (!after) query.fault("cursor", "must be the \"next_cursor\" of an earlier answer");
    wanted.after = after.value_or(0);
  }
  if (wanted.to <= wanted.from) query.fault("to", "must be later than from");
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());

  auto page = co_await parts.decisions.decisions(wanted);
  if (!page) co_return std::unexpected(page.error());
  Json list = Json::array(), evidence = Json::object();
  std::map<std::string, bool> asked;  // inputs that were looked at: whether rules were asked
  std::size_t bytes = 0;
  for (const auto& [sequence, job, decision] : page->decisions) {
    if (bytes > kMostInputBytes) {  // the rest is the next page's
      page->next = sequence - 1;
      break;
    }
    const auto& hash = decision.input_hash;
    if (!decision.policy_hash.empty() && !asked.contains(hash)) {
      const auto document = co_await parts.decisions.document(hash);
      if (!document && document.error().kind != ErrorKind::not_found) co_return std::unexpected(document.error());
      asked[hash] = true;
      if (document) {
        bytes += document->size();
        const auto input = parse_json(*document, kInputDepth);
        if (!input) co_return fail(ErrorKind::internal, "STORE_CORRUPT", "a decision's input cannot be read: " + hash);
        if (auto found = routing::evidence_in(*input); found.is_object())
          evidence[hash] = std::move(found);
        else
          asked[hash] = false;
      }
    }
    const auto at = asked.find(hash);
    list.push_back({{"job", job.str()},
                    {"at", format_utc(decision.at)},
                    {"site", decision.chosen ? Json(decision.chosen->str()) : Json()},
                    {"policy_hash", decision.policy_hash.empty() ? Json() : Json(decision.policy_hash)},
                    {"input", at != asked.end() && at->second ? Json(hash) : Json()}});
  }
  co_return json_answer(200, {{"decisions", std::move(list)},
                              {"evidence", std::move(evidence)},
                              {"next_cursor", page->next ? Json(std::to_string(*page->next)) : Json()}});
}

}  // namespace hansa::api
