// SPDX-License-Identifier: Apache-2.0
#include "broker/app/serving.hpp"

#include "broker/api/api.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <utility>

namespace hansa::app {

namespace {

constexpr std::size_t kOtherDescriptors = 512;  // database, sites' commands, agents, what clients are sent

struct Words {
  ports::LogLevel level;
  std::string_view sentence;
};

Words words_of(const http::ServerEvent& event) {
  using Kind = http::ServerEvent::Kind;
  using enum ports::LogLevel;
  switch (event.kind) {
    case Kind::answered:
      return event.status == 401 || event.status == 429 ? Words{info, "request refused"} : Words{debug, "request"};
    case Kind::refused: return {info, "request refused"};
    case Kind::dropped: return {info, "connection dropped"};
    case Kind::tls_failed: return {info, "TLS handshake failed"};
    case Kind::accept_failed: return {error, "cannot accept connections"};
  }
  return {error, "?"};
}

}  // namespace

std::size_t room_for_connections(std::size_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  const rlim_t needed = wanted + kOtherDescriptors;
  if (limit.rlim_cur < needed) {
    limit.rlim_cur = std::min(needed, limit.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) (void)::getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= needed) return wanted;
  return std::max<std::size_t>(1, limit.rlim_cur > kOtherDescriptors ? limit.rlim_cur - kOtherDescriptors : limit.rlim_cur / 2);
}

http::ServerOptions server_options(const config::ApiConfig& config, ports::Log& log,
                                   std::function<void(const http::ServerEvent&)> on_event) {
  http::ServerOptions options{
      .address = config.listen.host, .port = config.listen.port, .threads = static_cast<unsigned>(config.threads)};
  if (config.tls_certificate && config.tls_key)
    options.tls = http::TlsFiles{config.tls_certificate->string(), config.tls_key->string()};
  options.body_limit = [limits = config.limits](std::string_view method, std::string_view path) {
    if (method == "PUT") return api::Api::body_limit(method, path);  // [code] has what bounds code
    const auto configured = static_cast<std::size_t>(path == "/v1/jobs/bulk" ? limits.bulk_kib : limits.job_kib) << 10;
    return std::min(configured, api::Api::body_limit(method, path));
  };
  const auto wanted = static_cast<std::size_t>(config.limits.connections);
  options.max_connections = room_for_connections(wanted);
  if (options.max_connections < wanted) {
    log.write(
        ports::LogLevel::warning,
        "there are too few file descriptors for api.limits.connections: raise the account's limit (LimitNOFILE of its unit, "
        "ulimit -Hn)",
        {{"wanted", std::to_string(wanted)}, {"connections", std::to_string(options.max_connections)}});
  }
  options.max_strangers_of_network = static_cast<std::size_t>(config.limits.network_connections);
  options.max_streams = static_cast<std::size_t>(config.limits.event_streams);
  options.hsts_max_age = config.hsts_max_age;
  options.header_timeout = config.limits.header_timeout;
  options.body_timeout = options.write_timeout = config.limits.body_timeout;
  options.idle_timeout = config.limits.idle_timeout;
  options.on_event = std::move(on_event);
  return options;
}

void reload_certificate(http::Server& server, ports::Log& log) {
  if (auto reloaded = server.reload_tls(); !reloaded) {
    log.write(ports::LogLevel::error, "the certificate stays as it was",
              {{"code", reloaded.error().code}, {"error", reloaded.error().message}});
  } else {
    log.write(ports::LogLevel::info, "certificate and key are read again, where there are any", {});
  }
}

bool RequestLog::has_room() {
  std::uint64_t left_out = 0;
  {
    const std::scoped_lock lock(mutex_);
    const auto now = clock_.now_monotonic();
    if (lines_ > 0 && now - began_ < kIn) {
      if (lines_ < kLines) return ++lines_, true;
      ++left_out_;
      return false;
    }
    began_ = now;
    lines_ = 1;
    left_out = std::exchange(left_out_, 0);
  }
  if (left_out > 0)
    log_.write(ports::LogLevel::warning, "the log has left out what became of requests: there were too many that came to nothing",
               {{"left_out", std::to_string(left_out)}});
  return true;
}

void RequestLog::write(const http::ServerEvent& event) {
  const auto [level, sentence] = words_of(event);
  if (level != ports::LogLevel::debug && !has_room()) return;
  log_.write(level, sentence,
             {{"request", std::string(event.request_id)},
              {"peer", std::string(event.peer)},
              {"method", std::string(event.method)},
              {"target", std::string(event.target.substr(0, event.target.find('?')))},
              {"status", event.status == 0 ? "" : std::to_string(event.status)},
              {"code", std::string(event.code)},
              {"detail", std::string(event.detail)},
              {"us", std::to_string(event.duration.count())}});
}

}  // namespace hansa::app
