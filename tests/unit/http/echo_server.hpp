// SPDX-License-Identifier: Apache-2.0
#pragma once
// A server whose handler tells what it was asked, and a record of the server's events.

#include "broker/core/canonical_json.hpp"
#include "broker/http/server.hpp"

#include <mutex>
#include <string>
#include <vector>

namespace hansa::http {

struct Events {
  struct Entry {
    ServerEvent::Kind kind;
    int status;
    std::string code;
    std::string target;
    std::string detail;
  };
  mutable std::mutex mutex;
  std::vector<Entry> entries;

  void add(const ServerEvent& event) {
    const std::scoped_lock lock(mutex);
    entries.push_back({event.kind, event.status, std::string(event.code), std::string(event.target), std::string(event.detail)});
  }
  std::size_t count(ServerEvent::Kind kind) const {
    const std::scoped_lock lock(mutex);
    std::size_t found = 0;
    for (const auto& entry : entries) found += entry.kind == kind ? 1 : 0;
    return found;
  }
};

/// method, path, query, body's size, some headers: as JSON.
inline async::Task<Response> echo(Request request) {
  Json query = Json::array();
  for (const auto& [name, value] : request.query) query.push_back({name, value});
  Json answer{{"method", request.method},    {"path", request.path},           {"query", query},
              {"body", request.body.size()}, {"encrypted", request.encrypted}, {"headers", request.headers.size()}};
  if (const auto field = request.headers.get("x-test")) answer["x-test"] = *field;
  if (const auto field = request.headers.get("authorization")) answer["authorization"] = *field;
  co_return Response{.content_type = "application/json", .body = answer.dump()};
}

struct EchoServer {
  explicit EchoServer(ServerOptions options = {}, Handler handler = echo)
      : server(
            [&] {
              options.on_event = [this](const ServerEvent& event) { events.add(event); };
              return options;
            }(),
            std::move(handler)) {
    if (const auto started = server.start(); !started) throw std::runtime_error(started.error().message);
  }
  std::uint16_t port() const { return server.port(); }

  Events events;
  Server server;
};

}  // namespace hansa::http
