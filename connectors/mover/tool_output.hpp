// SPDX-License-Identifier: Apache-2.0
#pragma once
// What rclone, rsync and plug-ins say while they copy, as it comes: their words count for the progress that is shown, never for
// what has arrived. Any bytes may come. Pure.

#include "connectors/mover/order.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace hansa::connectors::mover {

class ToolOutput {
 public:
  explicit ToolOutput(Tool tool) : tool_(tool) {}

  void take_out(std::string_view bytes) { take(out_, bytes, false); }
  void take_err(std::string_view bytes) { take(err_, bytes, true); }

  /// By this run of the tool; they never fall.
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  [[nodiscard]] std::int64_t files() const { return files_; }
  /// What went over the wire or was written, without what the destination had: what the tool says at its end, else bytes().
  [[nodiscard]] std::int64_t sent() const { return sent_ < 0 ? bytes_ : sent_; }
  /// The last complaints, a line each, cleaned of control characters.
  [[nodiscard]] std::string complaints() const;

 private:
  struct Line {
    std::string text;
    bool too_long = false;
  };
  void take(Line& line, std::string_view bytes, bool is_error);
  void take_rclone(std::string_view line);
  void take_rsync(std::string_view line);
  void take_plugin(std::string_view line);
  void rise(std::int64_t bytes, std::int64_t files);
  void complain(std::string_view line);

  Tool tool_;
  Line out_;
  Line err_;
  std::int64_t bytes_ = 0;
  std::int64_t files_ = 0;
  std::int64_t sent_ = -1;
  std::deque<std::string> complaints_;
};

inline constexpr std::size_t kLongestLine = 65'536;  // rclone's statistics with a path or two in it
inline constexpr std::size_t kComplaintsKept = 8;

}  // namespace hansa::connectors::mover
