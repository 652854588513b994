// SPDX-License-Identifier: Apache-2.0
#pragma once
// Text that must not reach a log, an error or a command line: it has no stream operator and no formatter.

#include <string.h>  // explicit_bzero

#include <string>
#include <string_view>
#include <utility>

namespace hansa {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret(Secret&&) noexcept = default;
  Secret& operator=(Secret other) noexcept {  // the old text goes with `other`
    text_.swap(other.text_);
    return *this;
  }
  ~Secret() {
    text_.resize(text_.capacity());  // a short text that was moved away is still in the buffer
    explicit_bzero(text_.data(), text_.size());
  }

  /// The one way out; look at who calls it when you review.
  [[nodiscard]] std::string_view reveal() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

}  // namespace hansa
