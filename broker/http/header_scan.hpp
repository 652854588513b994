// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds the end of a request's header as its bytes come in, and refuses what proxies and servers read in different ways
// (RFC 9112, 2.2 and 5.2): a CR or LF alone, a NUL, a folded line. Beast would take some of these.

#include <cstddef>
#include <string_view>

namespace hansa::http {

class HeaderScan {
 public:
  enum class State { more, complete, bad };

  /// `bytes`: all that came so far; what was looked at before is not looked at again.
  State feed(std::string_view bytes) {
    for (; position_ < bytes.size(); ++position_) {
      const char c = bytes[position_];
      const char before = position_ > 0 ? bytes[position_ - 1] : '\0';
      if (c == '\n') {
        if (before != '\r') return refuse("a line ends with LF alone");
        if (position_ >= 3 && bytes[position_ - 2] == '\n') {
          ++position_;
          return State::complete;
        }
        continue;
      }
      if (before == '\r') return refuse("a CR is not followed by LF");
      if (before == '\n' && (c == ' ' || c == '\t')) return refuse("a header line is folded");
      if (c == '\0') return refuse("the header contains NUL");
    }
    return State::more;
  }

  /// Once complete: the header's size, its empty line included.
  [[nodiscard]] std::size_t size() const { return position_; }
  /// Once bad.
  [[nodiscard]] std::string_view fault() const { return fault_; }

 private:
  State refuse(std::string_view fault) {
    fault_ = fault;
    return State::bad;
  }

  std::size_t position_ = 0;
  std::string_view fault_;
};

}  // namespace hansa::http
