// SPDX-License-Identifier: Apache-2.0
#include "broker/app/spd_log.hpp"

#include "broker/core/canonical_json.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace hansa::app {
namespace {

spdlog::level::level_enum level_of(ports::LogLevel level) {
  switch (level) {
    case ports::LogLevel::debug: return spdlog::level::debug;
    case ports::LogLevel::info: return spdlog::level::info;
    case ports::LogLevel::warning: return spdlog::level::warn;
    case ports::LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string json_text(std::string_view text) { return canonical_json(text); }

bool needs_quotes(std::string_view text) {
  return text.empty() || text.find_first_of(" \"\\=\t\r\n") != std::string_view::npos || std::ranges::any_of(text, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F;
         });
}

}  // namespace

SpdLog::SpdLog(ports::LogLevel least, bool json)
    : json_(json), logger_(std::make_shared<spdlog::logger>("hansad", std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  logger_->set_level(level_of(least));
  logger_->flush_on(spdlog::level::debug);
  // Fields are quoted by us: whatever a site or a client sent stays on its line.
  logger_->set_pattern(json ? "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",\"level\":\"%l\",%v}" : "%Y-%m-%dT%H:%M:%S.%eZ %-7l %v",
                       spdlog::pattern_time_type::utc);
}

SpdLog::~SpdLog() = default;

void SpdLog::write(ports::LogLevel level, std::string_view sentence, std::initializer_list<ports::LogField> fields) {
  if (!logger_->should_log(level_of(level))) return;
  std::string line = json_ ? "\"message\":" + json_text(sentence) : std::string(sentence);
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    if (json_)
      line += "," + json_text(name) + ":" + json_text(value);
    else
      line += " " + std::string(name) + "=" + (needs_quotes(value) ? json_text(value) : value);
  }
  logger_->log(level_of(level), fmt::string_view("{}"), line);
}

void SpdLog::flush() { logger_->flush(); }

}  // namespace hansa::app
