// SPDX-License-Identifier: Apache-2.0
// Any bytes as what rclone or rsync write while they copy: progress that never falls and is never negative, complaints of bounded
// length without control characters, and the same whatever the pieces they come in. The first byte chooses where it is cut.
#include "connectors/mover/tool_output.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::connectors::mover;

namespace {

void feed(ToolOutput& output, std::string_view bytes) {
  const auto before = std::pair{output.bytes(), output.files()};
  output.take_out(bytes);
  output.take_err(bytes);
  require(output.bytes() >= before.first && output.files() >= before.second && output.sent() >= 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const auto text = as_text(bytes + 1, size - 1);
  const auto cut = std::min<std::size_t>(bytes[0], text.size());
  for (const auto tool : {Tool::rclone, Tool::rsync}) {
    ToolOutput whole(tool);
    feed(whole, text);
    const auto complaints = whole.complaints();
    require(complaints.size() <= kComplaintsKept * 401);
    require(std::ranges::none_of(complaints, [](unsigned char c) { return (c < ' ' && c != '\n') || c == 0x7f; }));
    // The two streams of a tool that wrote all of it to one of them.
    ToolOutput out(tool);
    ToolOutput pieces(tool);
    out.take_out(text);
    pieces.take_out(text.substr(0, cut));
    pieces.take_out(text.substr(cut));
    require(out.bytes() == pieces.bytes() && out.files() == pieces.files() && out.sent() == pieces.sent());
    require(out.complaints() == pieces.complaints());
  }
  return 0;
}
