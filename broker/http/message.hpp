// SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests and responses as values.

#include "broker/async/deadline.hpp"
#include "broker/async/task.hpp"
#include "broker/http/url.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::http {

/// Header fields in the order in which they came. One piece of text: a request costs two allocations, not two per field.
class Headers {
 public:
  void add(std::string_view name, std::string_view value);
  /// The first field of that name, in any case.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const;
  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] std::pair<std::string_view, std::string_view> at(std::size_t index) const;

 private:
  struct Field {
    std::uint32_t name_begin, name_end, value_end;
  };
  std::string text_;
  std::vector<Field> fields_;
};

struct Request {
  std::string method;  // as sent; methods are case-sensitive
  std::string target;  // as sent, origin-form: "/v1/jobs?state=running"
  std::string path;    // decoded, UTF-8, without NUL; never from an encoded '/' or a "." or ".." segment
  Query query;         // decoded
  Headers headers;
  std::string body;
  std::string peer;        // "127.0.0.1:50312"
  std::string network;     // of that: threshold.hpp
  bool encrypted = false;  // came over TLS
  std::string request_id;  // the client's X-Request-Id if that is one, else ours, unique; also the answer's
  async::Deadline deadline{};
};

struct Response {
  int status = 200;
  std::string content_type = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  /// If set, `body` is only the beginning: called again and again for the next piece (empty ones are skipped), until it
  /// gives none (the end) or an Error (the connection is cut, so that the client sees the answer as incomplete). It is
  /// cancelled when the client goes.
  std::function<async::Task<std::optional<std::string>>()> next = {};
  bool knows_caller = false;    // the handler knows who asked: the connection is none of a stranger's any more
  Milliseconds pause{0};        // so long nothing more is read of this connection, unless the client has gone meanwhile
  std::string_view route = {};  // for the log and figures: the handler's name for what was asked, of which there are few; static

  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

std::string_view reason_phrase(int status);

/// Whether a client's X-Request-Id is taken for one: 1 to 64 of [A-Za-z0-9._-], which means nothing anywhere.
bool is_request_id(std::string_view text);

bool equal_ignoring_case(std::string_view a, std::string_view b);

/// RFC 9457: type about:blank, title from the status; `code` and `request_id` are members of ours.
Response problem(int status, std::string_view code, std::string_view detail, std::string_view request_id = {});

/// What is left of a chunked body may be its end, "0\r\n\r\n", cut: to be read once more of it is there. Asked again after the
/// zero, Beast 1.81 asserts those five bytes (basic_parser::parse_chunk_header).
inline bool may_be_cut_end(std::string_view left) { return left.size() < 5 && left.starts_with('0'); }

}  // namespace hansa::http
