// SPDX-License-Identifier: Apache-2.0
// A person's own secrets. What they are comes from a file or standard input, never from the command line, which others on the
// machine can read.
#include "broker/cli/commands.hpp"
#include "broker/cli/files.hpp"
#include "broker/cli/show_answer.hpp"
#include "broker/cli/text.hpp"
#include "broker/domain/secret_use.hpp"

namespace hansa::cli {
namespace {

Result<std::string> secret_target(std::string_view name) {
  if (!domain::is_secret_name(name))
    return fail(ErrorKind::invalid_argument, "USAGE", "the NAME of a secret is 1 to 64 letters, digits, '.', '_' and '-'");
  return "/v1/secrets/" + percent_encoded(name);
}

/// At most one byte more than is taken.
Result<Secret> read_secret(Session& session, const Invocation& call) {
  if (const auto file = call.value("--file")) {
    auto read = read_file(std::string(*file), domain::kMaxSecretBytes);
    if (!read) return std::unexpected(read.error());
    return Secret(std::move(read->text));
  }
  auto read = session.outside().in(domain::kMaxSecretBytes);
  if (!read) return std::unexpected(read.error());
  return Secret(std::move(*read));
}

}  // namespace

Result<ExitStatus> secret_put(Session& session, const Invocation& call) {
  const auto& name = call.operands()[0];
  const auto target = secret_target(name);
  if (!target) return std::unexpected(target.error());
  const auto value = read_secret(session, call);
  if (!value) return std::unexpected(value.error());
  if (value->empty()) return fail(ErrorKind::invalid_argument, "USAGE", "the secret is empty: nothing was sent");
  if (value->reveal().size() > domain::kMaxSecretBytes)
    return fail(ErrorKind::too_large, "SECRET_TOO_LARGE",
                "a secret has at most " + std::to_string(domain::kMaxSecretBytes) + " bytes; keep larger files at the site");
  const auto answer = session.send("PUT", *target, value->reveal());
  if (!answer) return std::unexpected(answer.error());
  const auto kept = Session::read(*answer);
  if (!kept) return std::unexpected(kept.error());
  if (call.has("--json"))
    session.print(answer->body);
  else
    session.note("secret " + shown(*kept, "name") + " is kept (" + number_text(*kept, "bytes") +
                 " bytes, as they came); nobody is shown it again. For a job: hansa submit --secret " + shown(*kept, "name"));
  return ExitStatus::done;
}

Result<ExitStatus> secret_list(Session& session, const Invocation& call) {
  return show_answer(session, call, "GET", "/v1/secrets", {}, [&](const Json& list) {
    Table table({{"NAME"}, {"BYTES", true}, {"CHANGED"}});
    if (const auto& secrets = member(list, "secrets"); secrets.is_array()) {
      for (const auto& secret : secrets)
        table.add({shown(secret, "name"), number_text(secret, "bytes"), shown(secret, "changed_at")});
    }
    return table.text(session.look());
  });
}

Result<ExitStatus> secret_delete(Session& session, const Invocation& call) {
  const auto& name = call.operands()[0];
  const auto target = secret_target(name);
  if (!target) return std::unexpected(target.error());
  const auto answer = session.send("DELETE", *target);
  if (!answer) return std::unexpected(answer.error());
  session.print(call.has("--json") ? answer->body : "secret " + printable(name) + " is deleted\n");
  return ExitStatus::done;
}

}  // namespace hansa::cli
