// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is answered about a change of any register.

#include "broker/core/canonical_json.hpp"
#include "broker/core/time_text.hpp"
#include "broker/domain/change.hpp"

namespace hansa::wire {

template <typename Of, typename Body>
Json common_change_view(const domain::Change<Of, Body>& change, Json details) {
  Json json{{"id", change.id.str()},
            {"change", change_name(change.body)},
            {"state", to_string(change.state())},
            {"by", change.by.str()},
            {"at", format_utc(change.at)},
            {"reason", change.reason},
            {"details", std::move(details)},
            {"ruling", Json()}};
  if (const auto& ruling = change.ruling) {
    json["ruling"] = {
        {"approved", ruling->approved}, {"by", ruling->by.str()}, {"at", format_utc(ruling->at)}, {"reason", ruling->reason}};
  }
  return json;
}

}  // namespace hansa::wire
