// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lists that the broker answers page by page.

#include "broker/cli/command_line.hpp"
#include "broker/cli/session.hpp"

namespace hansa::cli {

inline constexpr std::int64_t kUsualCount = 100;

/// --limit and --all.
Result<std::int64_t> wanted_count(const Invocation& call);

struct Pages {
  Json list = Json::array();
  Json next_cursor;  // null: there is no more
};
/// The first `count` entries of what `filtered` lists under `name`.
Result<Pages> read_pages(Session& session, const Target& filtered, const char* name, std::int64_t count);

/// What of these is under way and how far it has come.
Table transfer_table(const Json& transfers);

/// One document, whatever the number of pages: {"jobs": [...], "next_cursor": ...}.
std::string pages_document(const char* name, Pages pages);

}  // namespace hansa::cli
