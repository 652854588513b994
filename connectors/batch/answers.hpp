// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a site's commands say when they do not answer.

#include "broker/async/child.hpp"
#include "broker/core/error.hpp"

#include <string>
#include <string_view>

namespace hansa::connectors::batch {

/// A program's complaints for people: its "name: error: " taken off, one line, printable, at most 300 bytes; "" if it said
/// nothing.
std::string words_of(std::string_view standard_error);

/// It ended by itself, in time: what it says is its answer.
bool came_to_an_end(const async::ChildResult& result);

/// A command that did not come to an answer, in the site's own words. `denied`: it said that it may not.
std::unexpected<Error> no_answer(const std::string& program, const async::ChildResult& result, bool denied);

/// A list of jobs of which the end is missing: whatever it leaves out would look like room.
std::unexpected<Error> cut_short(const std::string& program);

/// Of a submission: only a job id is a receipt. The site may have the job, whatever it said.
std::unexpected<Error> no_receipt(std::string_view code, std::string message, const async::ChildResult& result);

/// The same, told by how the program ended: SITE_SILENT if it was cut or could not talk to its server (`unreachable`),
/// SITE_REFUSED if it says so, SITE_GARBLED if it says nothing. None: it ended well.
std::optional<Error> submission_failure(const std::string& program, const async::ChildResult& result, bool unreachable);

}  // namespace hansa::connectors::batch
