// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a caller may ask of the switch, and how its bytes become a Request.
//
//   length     4 bytes, big-endian, 1 ... 65,536
//   header     that many bytes: one JSON object (fields below; unknown ones are refused)
//   length     4 bytes, big-endian, 0 ... 8,388,608
//   input      that many bytes: the program's standard input
//
// The header is judged before the input is read. Nothing here looks at the machine: who may do what is authorise()'s question.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::connectors::account_switch {

inline constexpr std::size_t kMaxHeaderBytes = std::size_t{64} * 1024;
inline constexpr std::size_t kMaxInputBytes = std::size_t{8} * 1024 * 1024;
inline constexpr std::size_t kMaxOutputBytes = std::size_t{256} * 1024 * 1024;
inline constexpr Seconds kMaxLimit{86'400};

struct Request {
  std::string account;
  std::string program;                  // absolute, no "." or ".." in it
  std::vector<std::string> arguments;   // without argv[0]
  std::vector<std::pair<std::string, std::string>> environment;
  std::string working_directory;        // beneath the account's home; "": the home itself
  std::string person;                   // the principal on whose behalf, for the log
  std::string tag;                      // the job's tag, for the log; may be empty
  Seconds limit{0};                     // the program is ended after this long
  std::size_t output_limit = 0;         // bytes sent of each of stdout and stderr; the rest is read and dropped
};

/// Where the bytes come from: a descriptor with a deadline, or a test's text.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Exactly `count` bytes, taking memory only as they arrive.
  virtual Result<std::string> read_exactly(std::size_t count) = 0;
};

/// All faults of the header at once, each with its field.
Result<Request> read_header(ByteSource& source);
Result<std::string> read_input(ByteSource& source);

Result<Request> parse_header(std::string_view json);

/// [A-Za-z_][A-Za-z0-9_]*
bool is_variable_name(std::string_view name);

/// "message (where: fault; where: fault)": an error with its faults on one line.
std::string one_line(const Error& error);

}  // namespace hansa::connectors::account_switch
