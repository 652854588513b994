// SPDX-License-Identifier: Apache-2.0
// The outputs that a job names: what is there, and their bytes. Any client resumes: by the range that it still wants and the
// version that it began with (RFC 9110, sections 13 and 14). However long a file, one piece of it is in memory at a time.
#include "broker/api/answers.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>

namespace hansa::api {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr Seconds kPieceTimeout{60};

std::string_view to_string(ports::FileState state) {
  switch (state) {
    case ports::FileState::missing: return "missing";
    case ports::FileState::file: return "file";
    case ports::FileState::folder: return "folder";
    case ports::FileState::link: return "link";
    case ports::FileState::special: return "special";
    case ports::FileState::unreadable: return "unreadable";
  }
  return "?";
}

struct Range {
  std::uint64_t first = 0;
  std::uint64_t end = std::numeric_limits<std::int64_t>::max();  // one past the last
};

/// "bytes=N-" or "bytes=N-M"; of any other range nothing is heeded, which is a server's right.
std::optional<Range> range_of(const http::Headers& headers) {
  constexpr std::string_view kUnit = "bytes=";
  auto text = headers.get("range").value_or("");
  if (!text.starts_with(kUnit) || headers.count("range") > 1) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const auto dash = text.find('-');
  const auto number = [](std::string_view digits, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc{} && end == digits.data() + digits.size() && value < std::numeric_limits<std::int64_t>::max();
  };
  Range range;
  if (dash == std::string_view::npos || !number(text.substr(0, dash), range.first)) return std::nullopt;
  const auto last = text.substr(dash + 1);
  if (last.empty()) return range;
  if (!number(last, range.end) || range.end < range.first) return std::nullopt;
  ++range.end;
  return range;
}

/// Whether one of the tags of a list like `"a", "b"` or * is this one; a weak one never is.
bool names_version(std::string_view list, std::string_view tag) {
  while (!list.empty()) {
    auto entry = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), entry.size() + 1));
    while (entry.starts_with(' ') || entry.starts_with('\t')) entry.remove_prefix(1);
    while (entry.ends_with(' ') || entry.ends_with('\t')) entry.remove_suffix(1);
    if (entry == tag || entry == "*") return true;
  }
  return false;
}

std::string tag_of(const ports::FileFacts& facts) { return '"' + facts.version + '"'; }

/// One client's way through one version of a file.
class Reading {
 public:
  Reading(Exchange exchange, OpenedJob opened, std::string name)
      : exchange_(std::move(exchange)), opened_(std::move(opened)), name_(std::move(name)) {}

  async::Task<http::Response> begin() {
    const auto& headers = exchange_.request.headers;
    auto range = range_of(headers);
    if (range) next_ = range->first;
    if (range) end_ = range->end;
    auto chunk = co_await read(exchange_.request.deadline);
    if (!chunk) co_return std::unexpected(chunk.error());
    const auto tag = tag_of(chunk->facts);
    const auto size = chunk->facts.size;
    if (const auto wanted = headers.get("if-match"); wanted && !names_version(*wanted, tag)) {
      co_return http::problem(
          412, "OUTPUT_CHANGED",
          "output " + name_ + " of job " + job_.id.str() + " was written to since: its version is " + tag + " now; begin again",
          exchange_.request.request_id);
    }
    if (const auto wanted = headers.get("if-range"); range && wanted && *wanted != tag) {
      range.reset();
      next_ = 0;
      end_ = Range{}.end;
      chunk = co_await read(exchange_.request.deadline);
      if (!chunk) co_return std::unexpected(chunk.error());
      if (tag_of(chunk->facts) != tag) co_return changing();
    }
    if (range && range->first >= size) {
      auto answer = http::problem(416, "NO_SUCH_RANGE", "output " + name_ + " has " + std::to_string(size) + " bytes",
                                  exchange_.request.request_id);
      answer.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
      co_return answer;
    }
    version_ = chunk->facts.version;
    end_ = std::min(end_, size);
    http::Response answer{.status = range ? 206 : 200, .content_type = "application/octet-stream"};
    if (range) {
      answer.headers.emplace_back("Content-Range",
                                  "bytes " + std::to_string(next_) + "-" + std::to_string(end_ - 1) + "/" + std::to_string(size));
    }
    answer.headers.emplace_back("ETag", tag);
    answer.headers.emplace_back("Accept-Ranges", "bytes");
    answer.headers.emplace_back("Hansa-Job-State", domain::to_string(job_.state));
    // Somebody else's bytes: no browser is to guess what they are, nor to show them as ours.
    answer.headers.emplace_back("X-Content-Type-Options", "nosniff");
    answer.headers.emplace_back("Content-Disposition", "attachment");
    next_ += chunk->bytes.size();
    answer.body = std::move(chunk->bytes);
    co_return answer;
  }

  [[nodiscard]] bool complete() const { return next_ >= end_; }

  /// The rest, piece by piece. An Error cuts the answer: the client sees that it is not whole.
  async::Task<std::optional<std::string>> next() {
    if (complete()) co_return std::nullopt;
    if (auto still = still_open(exchange_, opened_); !still) co_return std::unexpected(still.error());
    auto chunk = co_await read(async::Deadline::in(exchange_.api.parts().scheduler, kPieceTimeout));
    if (!chunk) co_return std::unexpected(chunk.error());
    if (chunk->facts.version != version_ || chunk->bytes.empty()) co_return changing();
    next_ += chunk->bytes.size();
    co_return std::move(chunk->bytes);
  }

 private:
  async::Task<ports::FileChunk> read(async::Deadline deadline) {
    const auto limit = static_cast<std::size_t>(std::min<std::uint64_t>(end_ - next_, kPiece));
    return on_engine(exchange_, exchange_.api.parts().engine.read_named_output(job_, name_, next_, limit, deadline));
  }
  std::unexpected<Error> changing() const {
    return fail(
        ErrorKind::conflict, "OUTPUT_CHANGED",
        "output " + name_ + " of job " + job_.id.str() + " is written to while it is read; fetch it once the job is over");
  }

  Exchange exchange_;
  OpenedJob opened_;
  const domain::Job& job_ = opened_.job;
  std::string name_;
  std::uint64_t next_ = 0;          // the first byte that the client has not got
  std::uint64_t end_ = Range{}.end;
  std::string version_;
};

}  // namespace

async::Task<http::Response> list_job_outputs(Exchange exchange) {
  auto opened = co_await open_job(exchange);
  if (!opened) co_return std::unexpected(opened.error());
  const auto* job = &opened->job;
  auto seen = co_await on_engine(exchange, exchange.api.parts().engine.look_at_outputs(*job, exchange.request.deadline));
  if (!seen) co_return std::unexpected(seen.error());
  Json list = Json::array();
  auto facts = seen->begin();
  for (const auto& [name, path] : job->spec.outputs) {
    Json output{{"name", name}, {"path", path}, {"state", to_string(facts->state)}};
    if (facts->state == ports::FileState::file) {
      output["size_bytes"] = facts->size;
      output["version"] = facts->version;
    }
    list.push_back(std::move(output));
    ++facts;
  }
  co_return json_answer(200, {{"job_state", domain::to_string(job->state)}, {"outputs", std::move(list)}});
}

async::Task<http::Response> fetch_job_output(Exchange exchange) {
  auto job = co_await open_job(exchange);
  if (!job) co_return std::unexpected(job.error());
  auto name = exchange.path.at("name");
  auto reading = std::make_shared<Reading>(std::move(exchange), std::move(*job), std::move(name));
  auto answer = co_await reading->begin();
  if (answer && answer->status < 300 && !reading->complete()) answer->next = [reading] { return reading->next(); };
  co_return answer;
}

}  // namespace hansa::api
