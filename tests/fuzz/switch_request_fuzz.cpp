// SPDX-License-Identifier: Apache-2.0
// Any bytes are a request or a refusal. What is a request keeps the promises that the rest of the switch relies on.

#include "connectors/switch/request.hpp"
#include "tests/fuzz/require.hpp"

using namespace hansa;
using namespace hansa::connectors::account_switch;

namespace {

struct BytesSource : ByteSource {
  explicit BytesSource(std::string_view text) : left(text) {}
  std::string_view left;

  Result<std::string> read_exactly(std::size_t count) override {
    if (left.size() < count) return fail(ErrorKind::invalid_argument, "REQUEST_TRUNCATED", "ended");
    std::string bytes(left.substr(0, count));
    left.remove_prefix(count);
    return bytes;
  }
};

bool free_of_nul(const std::string& text) { return text.find('\0') == std::string::npos; }

/// Whether one component of the path leads upwards; "..a" is a name like any other.
bool leads_upwards(const std::string& path) { return ("/" + path + "/").find("/../") != std::string::npos; }

void check(const Request& request) {
  require(!request.account.empty() && request.account.front() != '-' && request.account.find('/') == std::string::npos);
  require(request.program.starts_with('/') && !leads_upwards(request.program) && free_of_nul(request.program));
  require(!request.working_directory.starts_with('/') && !leads_upwards(request.working_directory) &&
          free_of_nul(request.working_directory));
  require(!request.person.empty() && free_of_nul(request.person) && free_of_nul(request.tag));
  for (const auto& argument : request.arguments) require(free_of_nul(argument));
  for (const auto& [name, value] : request.environment) require(is_variable_name(name) && free_of_nul(value));
  require(request.limit >= Seconds{1} && request.limit <= kMaxLimit);
  require(request.output_limit >= 1 && request.output_limit <= kMaxOutputBytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = as_text(data, size);
  BytesSource source(bytes);
  if (const auto request = read_header(source)) {
    check(*request);
    if (const auto input = read_input(source)) require(input->size() <= kMaxInputBytes);
  } else {
    require(!one_line(request.error()).empty());
  }
  // The same bytes as a bare header: lengths are hard to guess.
  if (const auto request = parse_header(bytes)) check(*request);
  return 0;
}
