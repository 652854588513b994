// SPDX-License-Identifier: Apache-2.0
#pragma once
// The connection to a caller. Its side of the answer, as frames:
//
//   type       1 byte: 'o' stdout, 'e' stderr, 'x' the end
//   length     4 bytes, big-endian, at most 65,536
//   payload    that many bytes; for 'x' one JSON object, one of
//     {"exit_status": 0, "out_truncated": false, "err_truncated": false}
//     {"signal": 15, "out_truncated": false, "err_truncated": false}
//     {"error": {"kind": "permission_denied", "code": "ACCOUNT_DENIED", "message": "..."}, "started": false}
//
// "started": false is certain: the program was not executed. One request per connection; the caller keeps its side open. Closing
// it, or anything sent after the request, ends the program; a caller that has only shut down its sending side is still told the
// end.

#include "connectors/switch/request.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace hansa::connectors::account_switch {

class Channel final : public ByteSource {
 public:
  /// A socket is non-blocking and read and written on one descriptor; otherwise `in` and `out` are two (pipes of blocking mode).
  static Channel socket(int descriptor) { return {descriptor, descriptor, true}; }
  static Channel pipes(int in, int out) { return {in, out, false}; }

  /// From now on read_exactly() fails with REQUEST_TOO_SLOW once this much time has passed.
  void expect_request_within(std::chrono::milliseconds time) { request_due_ = std::chrono::steady_clock::now() + time; }
  Result<std::string> read_exactly(std::size_t count) override;

  /// False: the caller is gone, or has not read for 30 s.
  bool send(char type, std::string_view payload);
  bool send_end(int wait_status, bool out_truncated, bool err_truncated);
  bool send_error(const Error& error, bool started);

  /// Whether the caller has gone already, or waits no more.
  [[nodiscard]] bool caller_gone() const;
  /// What to poll to learn that the caller has gone. For a socket any event counts: there is nothing left to say.
  [[nodiscard]] int watched() const { return is_socket_ ? in_ : out_; }
  [[nodiscard]] short watched_events() const;

 private:
  Channel(int in, int out, bool is_socket) : in_(in), out_(out), is_socket_(is_socket) {}
  bool write_all(std::string_view bytes);

  int in_;
  int out_;
  bool is_socket_;
  std::chrono::steady_clock::time_point request_due_{};
};

}  // namespace hansa::connectors::account_switch
