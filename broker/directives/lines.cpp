// SPDX-License-Identifier: Apache-2.0
#include "broker/directives/lines.hpp"

namespace hansa::directives {
namespace {

constexpr std::string_view kBlank = " \t\v\f\r";
constexpr std::string_view kUnmatched = "has a quotation mark without its other one";

bool is_blank(char c) { return kBlank.contains(c); }

std::string_view without_leading_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  return text;
}

/// sbatch: quotes of both kinds, a backslash before any character but a blank, and '#' begins a comment wherever it stands.
void split_as_sbatch(std::string_view text, Line& line) {
  std::size_t at = 0;
  while (true) {
    while (at < text.size() && is_blank(text[at])) ++at;
    if (at == text.size() || text[at] == '#') return;
    std::string word;
    char quote = 0;
    bool quoted = false;
    bool escaped = false;
    for (; at < text.size() && (quote != 0 || !is_blank(text[at])); ++at) {
      const char c = text[at];
      if (escaped) {
        escaped = false;
        word += c;
      } else if (c == '\\') {
        escaped = true;
      } else if (c == quote) {
        quote = 0;
      } else if (quote == 0 && (c == '"' || c == '\'')) {
        quote = c;
        quoted = true;
      } else if (quote == 0 && c == '#') {
        break;
      } else {
        word += c;
      }
    }
    if (quote != 0) {
      line.fault = kUnmatched;
      return;
    }
    if (quoted || !word.empty()) line.words.push_back(std::move(word));
  }
}

/// qsub: quotes of both kinds, a backslash before any character outside of them, and no comments.
void split_as_qsub(std::string_view text, Line& line) {
  std::size_t at = 0;
  while (true) {
    while (at < text.size() && is_blank(text[at])) ++at;
    if (at == text.size()) return;
    std::string word;
    while (at < text.size() && !is_blank(text[at])) {
      const char c = text[at++];
      if (c == '"' || c == '\'') {
        const auto end = text.find(c, at);
        if (end == std::string_view::npos) {
          line.fault = kUnmatched;
          return;
        }
        word.append(text.substr(at, end - at));
        at = end + 1;
      } else if (c == '\\' && at < text.size()) {
        word += text[at++];
      } else if (c != '\\') {
        word += c;
      }
    }
    line.words.push_back(std::move(word));
  }
}

bool is_command(std::string_view line, Dialect dialect) {
  if (dialect == Dialect::pbs && line.starts_with(':')) return false;
  const auto text = without_leading_blanks(line);
  return !text.empty() && text.front() != '#';
}

/// qsub: a directive whose last character is a backslash goes on in the next line.
bool is_continued(std::string_view& line) {
  const auto last = line.find_last_not_of(kBlank);
  if (last == std::string_view::npos || line[last] != '\\') return false;
  line = line.substr(0, last);
  return true;
}

}  // namespace

std::string_view Lines::take_line() {
  const auto end = rest_.find('\n');
  const auto line = rest_.substr(0, end);
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  ++number_;
  return line;
}

std::optional<Line> Lines::next() {
  while (!rest_.empty()) {
    auto text = take_line();
    const auto start = dialect_ == Dialect::pbs ? without_leading_blanks(text) : text;
    if (!start.starts_with(prefix_of(dialect_))) {
      if (is_command(text, dialect_)) rest_ = {};
      continue;
    }
    Line line{.number = number_, .words = {}, .fault = {}};
    if (text.ends_with('\r')) {
      line.fault = "has a Windows line end, which no scheduler takes; convert the script with: dos2unix";
      return line;
    }
    text = start.substr(prefix_of(dialect_).size());
    if (dialect_ == Dialect::slurm) {
      split_as_sbatch(text, line);
      return line;
    }
    bool more = is_continued(text);
    std::string whole(text);
    while (more && !rest_.empty()) {
      auto part = take_line();
      more = is_continued(part);
      whole += part;
    }
    split_as_qsub(whole, line);
    return line;
  }
  return std::nullopt;
}

}  // namespace hansa::directives
