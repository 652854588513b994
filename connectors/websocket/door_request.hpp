// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is asked at the door, as bytes: all that the broker reads of somebody whom it does not believe yet.

#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"

#include <string>
#include <string_view>

namespace hansa::connectors::websocket {

struct DoorRequest {
  SiteId site;                // 1 to 64 bytes of anything but "/"
  bool enrols = false;        // else it asks for the agent's connection
  std::string authorization;  // the field, as it came
  std::string name;           // what it calls itself: printable, 80 bytes at most
};

/// `head`: a request's header, with its empty line (http::HeaderScan). invalid_argument, BAD_REQUEST; not_found, NOT_FOUND: it is
/// for something else.
Result<DoorRequest> read_door_request(std::string_view head);

}  // namespace hansa::connectors::websocket
