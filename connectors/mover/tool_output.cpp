// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/tool_output.hpp"

#include "broker/core/canonical_json.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace hansa::connectors::mover {
namespace {

constexpr std::size_t kLongestComplaint = 400;

/// "1234" or "1,234"; nothing else, and nothing that does not fit.
std::optional<std::int64_t> number(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != ',') digits += c;
  }
  std::int64_t value = 0;
  const auto* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value);
  if (digits.empty() || read.ec != std::errc() || read.ptr != end || value < 0) return std::nullopt;
  return value;
}

std::string_view next_word(std::string_view& text) {
  const auto begin = std::min(text.find_first_not_of(' '), text.size());
  text.remove_prefix(begin);
  const auto word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

std::optional<std::int64_t> integer(const Json& json, const char* key) {
  const auto at = json.find(key);
  if (at == json.end() || !at->is_number_integer()) return std::nullopt;
  if (at->is_number_unsigned() && at->get<std::uint64_t>() > INT64_MAX) return std::nullopt;
  const auto value = at->get<std::int64_t>();
  return value < 0 ? std::nullopt : std::optional(value);
}

}  // namespace

void ToolOutput::take(Line& line, std::string_view bytes, bool is_error) {
  for (const char c : bytes) {
    if (c != '\n' && c != '\r') {  // rsync writes its progress over itself
      if (line.text.size() < kLongestLine) {
        line.text += c;
      } else {
        line.too_long = true;
      }
      continue;
    }
    if (!line.text.empty() && !line.too_long) {
      if (tool_ == Tool::rclone) {
        take_rclone(line.text);
      } else if (is_error) {
        complain(line.text);
      } else if (tool_ == Tool::rsync) {
        take_rsync(line.text);
      } else {
        take_plugin(line.text);
      }
    }
    line = {};
  }
}

/// {"level":"notice","msg":"...","stats":{"bytes":1,"transfers":0,...},...}, rclone 1.60. Other lines are its words at a fatal
/// end.
void ToolOutput::take_rclone(std::string_view line) {
  const auto json = Json::parse(line, nullptr, false);  // has floating-point numbers, which parse_json refuses
  if (json.is_discarded() || !json.is_object()) return complain(line);
  if (const auto stats = json.find("stats"); stats != json.end() && stats->is_object()) {
    return rise(integer(*stats, "bytes").value_or(0), integer(*stats, "transfers").value_or(0));
  }
  const auto level = json.find("level");
  const auto message = json.find("msg");
  if (level == json.end() || message == json.end() || !message->is_string()) return;
  if (*level != "error" && *level != "critical" && *level != "fatal") return;
  const auto object = json.find("object");
  const auto about = object != json.end() && object->is_string() ? object->get<std::string>() + ": " : std::string();
  complain(about + message->get<std::string>());
}

/// "    268,435,456  50%  120.00MB/s    0:00:02 (xfr#3, to-chk=1/5)" (--info=progress2, rsync 3.2), at the end "Literal data:
/// 1,024 bytes" (--stats).
void ToolOutput::take_rsync(std::string_view line) {
  constexpr std::string_view kLiteral = "Literal data: ";
  if (line.starts_with(kLiteral)) {
    auto rest = line.substr(kLiteral.size());
    if (const auto literal = number(next_word(rest)); literal && rest == " bytes") sent_ = *literal;
    return;
  }
  auto rest = line;
  const auto bytes = number(next_word(rest));
  const auto percent = next_word(rest);
  if (!bytes || !percent.ends_with('%') || !number(percent.substr(0, percent.size() - 1))) return;
  std::int64_t files = 0;
  constexpr std::string_view kFiles = "(xfr#";
  if (const auto at = rest.find(kFiles); at != std::string_view::npos) {
    const auto count = rest.substr(at + kFiles.size());
    files = number(count.substr(0, count.find(','))).value_or(0);
  }
  rise(*bytes, files);
}

/// {"bytes":1234,"files":5}: what it has copied so far. Anything else on its standard output is not heeded.
void ToolOutput::take_plugin(std::string_view line) {
  const auto json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return;
  rise(integer(json, "bytes").value_or(0), integer(json, "files").value_or(0));
}

void ToolOutput::rise(std::int64_t bytes, std::int64_t files) {
  bytes_ = std::max(bytes_, bytes);
  files_ = std::max(files_, files);
}

void ToolOutput::complain(std::string_view line) {
  std::string clean(line.substr(0, kLongestComplaint));
  std::ranges::replace_if(clean, [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  if (complaints_.size() == kComplaintsKept) complaints_.pop_front();
  complaints_.push_back(std::move(clean));
}

std::string ToolOutput::complaints() const {
  std::string text;
  for (const auto& line : complaints_) text += (text.empty() ? "" : "\n") + line;
  return text;
}

}  // namespace hansa::connectors::mover
