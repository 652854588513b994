// SPDX-License-Identifier: Apache-2.0
#include "broker/app/figures.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <system_error>

namespace hansa::app {
namespace {

using metrics::Exposition;
using metrics::Kind;

constexpr std::array<std::int64_t, 12> kRequestUs{500,     1'000,   2'500,     5'000,     10'000,     25'000,
                                                  100'000, 250'000, 1'000'000, 2'500'000, 10'000'000, 60'000'000};

void one(Exposition& page, std::string_view name, Kind kind, std::string_view help, metrics::Decimal value) {
  page.family(name, kind, help);
  page.sample(value);
}

std::int64_t cpu_us(const timeval& time) { return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec; }

std::int64_t resident_bytes() {
  std::int64_t total_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  return resident_pages * ::sysconf(_SC_PAGESIZE);
}

std::int64_t open_descriptors() {
  std::error_code error;
  std::int64_t count = -1;  // that of the listing itself
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end; at.increment(error)) ++count;
  return std::max<std::int64_t>(0, count);
}

}  // namespace

void RequestFigures::count(const http::ServerEvent& event) {
  using Event = http::ServerEvent::Kind;
  const std::lock_guard lock(mutex_);
  const auto no_answer = [this](std::string_view why) { ++no_answers_.try_emplace(std::string(why)).first->second; };
  switch (event.kind) {
    case Event::answered: {
      auto& route = routes_[std::string(event.route.empty() ? "none" : event.route)];
      if (!route.took_us) route.took_us = std::make_unique<metrics::Histogram>(kRequestUs);
      ++route.by_status[event.status];
      route.took_us->observe(event.duration.count());
      break;
    }
    case Event::refused: no_answer(event.code); break;
    case Event::dropped: no_answer(event.code.empty() ? "CLIENT_GONE" : event.code); break;
    case Event::tls_failed: no_answer("TLS_HANDSHAKE"); break;
    case Event::accept_failed: no_answer("ACCEPT_FAILED"); break;
  }
}

void RequestFigures::write(Exposition& page) const {
  const std::lock_guard lock(mutex_);
  page.family("hansa_http_requests_total", Kind::counter, "Requests that a handler answered, by route (operationId) and status.");
  for (const auto& [name, route] : routes_) {
    for (const auto& [status, count] : route.by_status) page.sample(count, {{"route", name}, {"status", std::to_string(status)}});
  }
  page.family("hansa_http_request_duration_seconds", Kind::histogram,
              "From the first byte of a request to the last of its answer, by route; event streams until their end.");
  for (const auto& [name, route] : routes_) page.sample(route.took_us->read(), 6, {{"route", name}});
  page.family("hansa_http_no_answer_total", Kind::counter,
              "Requests and connections that came to no handler, or whose answer was not taken, by why.");
  for (const auto& [why, count] : no_answers_) page.sample(count, {{"code", why}});
}

void write_server(Exposition& page, const http::ServerLoad& load, std::optional<UtcTime> certificate_ends) {
  one(page, "hansa_http_connections", Kind::gauge, "Open connections.", load.connections);
  one(page, "hansa_http_streams", Kind::gauge, "Connections that follow events.", load.streams);
  page.family("hansa_tls_certificate_not_after_timestamp_seconds", Kind::gauge,
              "When the certificate of api.listen ends; none: it has none.");
  if (certificate_ends) page.sample(*certificate_ends);
}

void write_store(Exposition& page, const store::Figures& figures, const std::filesystem::path& state_dir) {
  page.family("hansa_store_commit_duration_seconds", Kind::histogram,
              "How long commits took, from waiting for the lock to the end of the fsync, to a millisecond.");
  page.sample(figures.commit_ms, 3);
  page.family("hansa_store_commit_operations", Kind::histogram, "Operations that each commit carried.");
  page.sample(figures.group, 0);
  one(page, "hansa_store_checkpoints_total", Kind::counter, "Checkpoints of the write-ahead log since start.",
      figures.checkpoints);
  one(page, "hansa_store_queued_operations", Kind::gauge, "Operations waiting for the next commit.", figures.queued);
  std::error_code error;
  const auto space = std::filesystem::space(state_dir, error);
  page.family("hansa_state_disk_free_bytes", Kind::gauge, "Free on the file system of state_dir, for the broker's account.");
  if (!error) page.sample(space.available);
  page.family("hansa_state_disk_size_bytes", Kind::gauge, "Size of the file system of state_dir.");
  if (!error) page.sample(space.capacity);
}

void write_process(Exposition& page, std::string_view version, UtcTime started) {
  page.family("hansa_build_info", Kind::gauge, "1, with the version that runs.");
  page.sample(1, {{"version", version}});
  one(page, "process_start_time_seconds", Kind::gauge, "When the broker started.", started);
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  one(page, "process_cpu_seconds_total", Kind::counter, "Processor time of the broker itself.",
      {cpu_us(used.ru_utime) + cpu_us(used.ru_stime), 6});
  one(page, "process_resident_memory_bytes", Kind::gauge, "Memory of the broker itself.", resident_bytes());
  one(page, "process_open_fds", Kind::gauge, "Open file descriptors.", open_descriptors());
  rlimit most{};
  ::getrlimit(RLIMIT_NOFILE, &most);
  one(page, "process_max_fds", Kind::gauge, "How many it may open.", most.rlim_cur);
}

}  // namespace hansa::app
