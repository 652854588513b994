// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/pages.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace hansa::cli {
namespace {

constexpr std::int64_t kPage = 1'000;

}  // namespace

Result<std::int64_t> wanted_count(const Invocation& call) {
  const auto text = call.value("--limit");
  if (call.has("--all")) {
    if (text) return fail(ErrorKind::invalid_argument, "USAGE", "--limit and --all contradict each other; give one of them");
    return INT64_MAX;
  }
  if (!text) return kUsualCount;
  std::int64_t count = 0;
  const auto* end = text->data() + text->size();
  const auto [at, error] = std::from_chars(text->data(), end, count);
  if (error != std::errc{} || at != end || count < 1)
    return fail(ErrorKind::invalid_argument, "USAGE", "--limit must be a whole number of at least 1");
  return count;
}

Result<Pages> read_pages(Session& session, const Target& filtered, const char* name, std::int64_t count) {
  Pages pages;
  do {
    auto target = filtered;
    const auto left = count - static_cast<std::int64_t>(pages.list.size());
    target.add("limit", std::to_string(std::min(left, kPage)));
    if (pages.next_cursor.is_string()) target.add("cursor", pages.next_cursor.get<std::string>());
    const auto answer = session.send("GET", target.str());
    if (!answer) return std::unexpected(answer.error());
    const auto page = Session::read(*answer);
    if (!page) return std::unexpected(page.error());
    const auto& list = member(*page, name);
    if (!list.is_array())
      return fail(ErrorKind::internal, "BAD_ANSWER",
                  "the broker's answer is no list of " + std::string(name) + "; check the address");
    for (const auto& entry : list) pages.list.push_back(entry);
    pages.next_cursor = member(*page, "next_cursor");
    if (list.empty()) pages.next_cursor = Json();
  } while (pages.next_cursor.is_string() && std::cmp_less(pages.list.size(), count));
  return pages;
}

Table transfer_table(const Json& transfers) {
  Table table({{"ON ITS WAY", false, true},
               {"FROM"},
               {"TO"},
               {"PHASE"},
               {"BYTES", true},
               {"OF", true},
               {"FILES", true},
               {"A SECOND", true},
               {"SINCE"}});
  if (!transfers.is_array()) return table;
  for (const auto& transfer : transfers) {
    table.add({shown(transfer, "dataset"), shown(transfer, "from"), shown(transfer, "to"), shown(transfer, "phase"),
               number_text(transfer, "bytes"), number_text(transfer, "size_bytes"),
               number_text(transfer, "files_done") + "/" + number_text(transfer, "files"),
               number_text(transfer, "bytes_per_second"), shown(transfer, "begun_at")});
  }
  return table;
}

std::string pages_document(const char* name, Pages pages) {
  return Json{{name, std::move(pages.list)}, {"next_cursor", std::move(pages.next_cursor)}}.dump(-1, ' ', false,
                                                                                                 Json::error_handler_t::replace) +
         "\n";
}

}  // namespace hansa::cli
