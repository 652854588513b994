// SPDX-License-Identifier: Apache-2.0
#pragma once
// A response's status line and header as bytes.

#include "broker/http/message.hpp"

#include <string>
#include <string_view>

namespace hansa::http {

struct ResponseFraming {
  bool has_body = true;   // false: 204, 304
  bool chunked = false;   // else by Content-Length, or by the connection's end if it streams to an HTTP/1.0 client
  bool keep_alive = true;
};

/// `date`: RFC 9110's IMF-fixdate. What a handler puts into a field cannot end it: control characters become blanks.
void write_head(std::string& out, const Response& response, const ResponseFraming& framing, std::string_view request_id,
                std::string_view date);

/// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string imf_fixdate(UtcTime time);

}  // namespace hansa::http
