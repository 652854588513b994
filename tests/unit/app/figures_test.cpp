// SPDX-License-Identifier: Apache-2.0
// What the process tells of itself: requests by route and status, its store, its disk.
#include "broker/app/figures.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace hansa::app {
namespace {

using Event = http::ServerEvent;

std::string page_of(const RequestFigures& figures) {
  metrics::Exposition page;
  figures.write(page);
  return std::move(page).text();
}

TEST_CASE("requests are counted by route and status and what nobody answered by why") {
  RequestFigures figures;
  const auto answered = [&](std::string_view route, int status, std::int64_t us) {
    figures.count({.kind = Event::Kind::answered,
                   .target = "/v1/jobs/01JDA0XJ2GQ4M8T6V9ZK3N5R7W",
                   .route = route,
                   .status = status,
                   .duration = std::chrono::microseconds{us}});
  };
  answered("getJob", 200, 400);
  answered("getJob", 200, 30'000);
  answered("getJob", 404, 900);
  answered("", 404, 100);
  figures.count({.kind = Event::Kind::refused, .status = 431, .code = "HEADER_TOO_LARGE"});
  figures.count({.kind = Event::Kind::dropped});
  figures.count({.kind = Event::Kind::tls_failed});
  figures.count({.kind = Event::Kind::accept_failed});
  const auto page = page_of(figures);
  CAPTURE(page);
  for (const auto* line :
       {"hansa_http_requests_total{route=\"getJob\",status=\"200\"} 2\n",
        "hansa_http_requests_total{route=\"getJob\",status=\"404\"} 1\n",
        "hansa_http_requests_total{route=\"none\",status=\"404\"} 1\n",
        "hansa_http_request_duration_seconds_bucket{route=\"getJob\",le=\"0.0005\"} 1\n",
        "hansa_http_request_duration_seconds_bucket{route=\"getJob\",le=\"0.001\"} 2\n",
        "hansa_http_request_duration_seconds_bucket{route=\"getJob\",le=\"60.0\"} 3\n",
        "hansa_http_request_duration_seconds_sum{route=\"getJob\"} 0.0313\n",
        "hansa_http_no_answer_total{code=\"HEADER_TOO_LARGE\"} 1\n", "hansa_http_no_answer_total{code=\"CLIENT_GONE\"} 1\n",
        "hansa_http_no_answer_total{code=\"TLS_HANDSHAKE\"} 1\n", "hansa_http_no_answer_total{code=\"ACCEPT_FAILED\"} 1\n"}) {
    CAPTURE(line);
    CHECK(page.contains(line));
  }
  CHECK_FALSE(page.contains("01JDA0XJ2GQ4M8T6V9ZK3N5R7W"));
}

TEST_CASE("the disk that cannot be looked at and the certificate that is not there have no samples") {
  metrics::Exposition page;
  write_store(page, {.commit_ms = {}, .group = {}}, "/no/such/folder");
  write_server(page, {.connections = 2, .streams = 1}, std::nullopt);
  write_server(page, {}, from_unix_seconds(1'900'000'000));
  write_process(page, "1.2.3", from_unix_seconds(1'800'000'000));
  const auto text = std::move(page).text();
  CHECK(text.contains("# TYPE hansa_state_disk_free_bytes gauge\n# HELP"));
  CHECK(text.contains("hansa_http_connections 2\n"));
  CHECK(text.contains("hansa_tls_certificate_not_after_timestamp_seconds 1900000000\n"));
  CHECK(text.contains("hansa_build_info{version=\"1.2.3\"} 1\n"));
  CHECK(text.contains("process_start_time_seconds 1800000000\n"));
  CHECK_FALSE(text.contains("process_resident_memory_bytes 0\n"));
  CHECK_FALSE(text.contains("process_open_fds 0\n"));
}

}  // namespace
}  // namespace hansa::app
