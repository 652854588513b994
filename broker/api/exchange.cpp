// SPDX-License-Identifier: Apache-2.0
// What formats for exchange are made of: usage records in force, and what sites are called elsewhere. The formats themselves are
// written by who asks (broker/ledger/exchange.hpp).
#include "broker/api/answers.hpp"

#include <algorithm>
#include <charconv>

namespace hansa::api {

namespace {

// By the values of ledger::Persons.
constexpr std::string_view kPersons[] = {"hidden", "pseudonyms", "named"};

/// "1793491200.17", as an answer's `next` has it.
std::optional<ports::UsagePlace> place_of(std::string_view text) {
  ports::UsagePlace place;
  const auto* end = text.data() + text.size();
  const auto [dot, error] = std::from_chars(text.data(), end, place.ended_s);
  if (error != std::errc{} || dot == end || *dot != '.') return std::nullopt;
  const auto [last, bad] = std::from_chars(dot + 1, end, place.seq);
  if (bad != std::errc{} || last != end || place.ended_s < 0 || place.seq < 0) return std::nullopt;
  return place;
}

Json line_view(const ports::UsageLine& line, ledger::Persons persons) {
  Json view{{"record", line.record}};
  if (line.adjusted_elapsed_s != 0 || line.adjusted_core_seconds != 0 || line.adjusted_gpu_seconds != 0 ||
      line.adjusted_node_seconds != 0) {
    view["adjusted"] = {{"elapsed_s", line.adjusted_elapsed_s},
                        {"core_seconds", line.adjusted_core_seconds},
                        {"gpu_seconds", line.adjusted_gpu_seconds},
                        {"node_seconds", line.adjusted_node_seconds}};
  }
  if (persons == ledger::Persons::pseudonyms) view["pseudonym"] = line.pseudonym;
  if (persons == ledger::Persons::named) {
    view["owner"] = line.owner;
    view["account"] = line.account;
  }
  return view;
}

}  // namespace

async::Task<http::Response> list_usage_in_force(Exchange exchange) {
  auto& parts = exchange.api.parts();
  QueryReader query(exchange.request.query);
  const auto from = query.time("from"), to = query.time("to");
  if (!from) query.fault("from", "is missing: since when runs ended");
  if (!to) query.fault("to", "is missing: before when runs ended");
  if (from && to && *to <= *from) query.fault("to", "must be later than from");
  const auto site = query.text("site");
  const auto size = query.integer("size", -1, 0, std::int64_t{1} << 53);
  const auto limit = query.integer("limit", kMaxPage, 1, kMaxPage);
  const auto persons = query.text("persons").value_or("hidden");
  const auto told = std::ranges::find(kPersons, std::string_view(persons));
  if (told == std::end(kPersons)) query.fault("persons", no_such("way to tell of persons", persons, kPersons));
  const auto after = query.text("after");
  const auto place = after ? place_of(*after) : std::nullopt;
  if (after && !place) query.fault("after", "is no place: give `next` of the page before");
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());

  ports::UsageLinesQuery wanted{.from = *from, .to = *to, .size = size, .after = place, .limit = static_cast<std::size_t>(limit)};
  if (site) wanted.site = SiteId(*site);
  if (size < 0) {
    auto head = co_await parts.ledger.ledger_head();
    if (!head) co_return std::unexpected(head.error());
    wanted.size = head->size;
  }
  const auto of_size = wanted.size;
  auto lines = co_await parts.usage_lines.usage_lines(std::move(wanted));
  if (!lines) co_return std::unexpected(lines.error());
  Json list = Json::array();
  for (const auto& line : *lines) list.push_back(line_view(line, static_cast<ledger::Persons>(told - std::begin(kPersons))));
  Json next;
  if (!lines->empty()) next = std::to_string(lines->back().place.ended_s) + "." + std::to_string(lines->back().place.seq);
  co_return json_answer(200, {{"records", std::move(list)}, {"size", of_size}, {"next", std::move(next)}});
}

async::Task<http::Response> get_exchange(Exchange exchange) {
  co_return json_answer(200, ledger::exchange_json(exchange.api.facts().exchange));
}

}  // namespace hansa::api
