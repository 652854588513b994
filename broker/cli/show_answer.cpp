// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/show_answer.hpp"

namespace hansa::cli {

Result<ExitStatus> show_answer(Session& session, const Invocation& call, std::string_view method, const std::string& target,
                               const Json& body, const std::function<std::string(const Json&)>& text) {
  const auto answer = body.is_null() ? session.send(method, target)
                                     : session.send(method, target, body.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!answer) return std::unexpected(answer.error());
  const auto json = Session::read(*answer);
  if (!json) return std::unexpected(json.error());
  session.print(call.has("--json") ? answer->body : text(*json));
  return ExitStatus::done;
}

std::string or_nobody(const Json& json, const char* key) {
  auto name = shown(json, key);
  return name.empty() ? "-" : name;
}

}  // namespace hansa::cli
