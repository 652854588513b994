// SPDX-License-Identifier: Apache-2.0
#pragma once
// What /metrics has of the process: its requests, its store, its disk, itself.

#include "broker/http/server.hpp"
#include "broker/metrics/exposition.hpp"
#include "broker/store/sqlite_store.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace hansa::app {

/// What became of requests, by route and status. Any thread.
class RequestFigures {
 public:
  void count(const http::ServerEvent& event);
  void write(metrics::Exposition& page) const;

 private:
  struct Route {
    std::map<int, std::uint64_t> by_status;
    std::unique_ptr<metrics::Histogram> took_us;
  };
  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, Route, std::less<>> routes_;                // "none": there is none such
  std::map<std::string, std::uint64_t, std::less<>> no_answers_;  // by why
};

void write_server(metrics::Exposition& page, const http::ServerLoad& load, std::optional<UtcTime> certificate_ends);
void write_store(metrics::Exposition& page, const store::Figures& figures, const std::filesystem::path& state_dir);
/// Names and meanings are those of Prometheus' own clients.
void write_process(metrics::Exposition& page, std::string_view version, UtcTime started);

}  // namespace hansa::app
