// SPDX-License-Identifier: Apache-2.0
#pragma once
// A whole call of `hansa` against a server that answers as it was told.

#include "broker/cli/run.hpp"
#include "tests/unit/cli/outside_under_test.hpp"
#include "tests/unit/cli/scripted_server.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace hansa::cli {

inline std::string reply(int status, const std::string& body, const std::string& fields = "") {
  return ScriptedServer::reply(status, body, fields);
}
inline constexpr const char* kId = "01JDA0XJ2GQ4M8T6V9ZK3N5R7W";

inline std::string job(const std::string& state, int version = 2, const std::string& more = "") {
  return R"({"id":")" + std::string(kId) + R"(","state":")" + state + R"(","version":)" + std::to_string(version) + more + "}\n";
}
inline std::string problem(int status, const std::string& code, const std::string& more = "") {
  return reply(
      status,
      R"({"title":"x","status":)" + std::to_string(status) + R"(,"code":")" + code + R"(","detail":"told so")" + more + "}", "");
}

/// A call with a token, in an outside of its own.
class Call : public OutsideUnderTest {
 public:
  Call() {
    token_ = "/tmp/hansa-cli-token.XXXXXX";
    const int fd = ::mkstemp(token_.data());
    if (fd < 0 || ::write(fd, "secret-token\n", 13) != 13) std::abort();
    ::close(fd);
    environment["HANSA_TOKEN_FILE"] = token_;
    in = "#!/bin/sh\ntrue\n";
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() override { ::unlink(token_.c_str()); }

  int run(const ScriptedServer& server, std::vector<const char*> arguments) {
    environment["HANSA_URL"] = server.url();
    return run(std::move(arguments));
  }
  int run(std::vector<const char*> arguments) {
    auto outside = surroundings();
    return static_cast<int>(cli::run(arguments, outside));
  }
  [[nodiscard]] const std::string& token() const { return token_; }

 private:
  std::string token_;
};

inline std::string header_of(const std::string& request, const std::string& name) {
  const auto at = request.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const auto begin = at + name.size() + 4;
  return request.substr(begin, request.find("\r\n", begin) - begin);
}
inline std::string body_of(const std::string& request) { return request.substr(request.find("\r\n\r\n") + 4); }
inline std::string line_of(const std::string& request) { return request.substr(0, request.find("\r\n")); }

}  // namespace hansa::cli
