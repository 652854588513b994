// SPDX-License-Identifier: Apache-2.0
// Whose data are held for how long, a person's erasure, all that is held of somebody, who has read it.
#include "broker/cli/commands.hpp"
#include "broker/cli/durable_file.hpp"
#include "broker/cli/privacy_record.hpp"
#include "broker/cli/show_answer.hpp"
#include "broker/cli/submission.hpp"

namespace hansa::cli {
namespace {

std::string erasure_text(const Json& erasure) {
  const auto state = raw_text(erasure, "state");
  auto text = shown(erasure, "id") + " is " + shown(erasure, "state");
  if (state == "pending")
    text += ": another operator says yes with: hansa privacy approve " + shown(erasure, "id");
  else if (state == "approved")
    text += ": it goes on until it is done; see: hansa privacy erasures";
  return text + "\n";
}

}  // namespace

Result<ExitStatus> privacy_retention(Session& session, const Invocation& call) {
  return show_answer(session, call, "GET", "/v1/privacy/retention", {}, [&](const Json& answer) {
    Table table(
        {{"HOLDING"}, {"KEPT", true}, {"FROM", false, true}, {"HELD", true}, {"OLDEST"}, {"ENDS"}, {"WHAT", false, true}});
    for (const auto& line : member(answer, "holdings")) {
      const auto days = number(line, "days").value_or(0);
      table.add({shown(line, "holding"), days == 0 ? "-" : std::to_string(days) + "d", shown(line, "from"),
                 number(line, "held") ? number_text(line, "held") : "", shown(line, "oldest"),
                 shown(line, "kept_by") == "others" ? "by others" : shown(line, "next_end"), shown(line, "what")});
    }
    return table.text(session.look());
  });
}

Result<ExitStatus> privacy_record(Session& session, const Invocation& call) {
  return show_answer(session, call, "GET", "/v1/privacy/record", {}, [&](const Json& record) {
    if (const auto& missing = member(record, "missing"); missing.is_array() && !missing.empty())
      session.note("nobody has said yet, in hansad.toml: " + listed(missing));
    return record_markdown(record);
  });
}

Result<ExitStatus> privacy_export(Session& session, const Invocation& call) {
  Target target("/v1/privacy/person");
  if (!call.operands().empty()) target.add("person", call.operands()[0]);
  if (const auto reason = call.value("--reason")) target.add("reason", *reason);
  const auto answer = session.send("GET", target.str());
  if (!answer) return std::unexpected(answer.error());
  const auto path = call.value("--output");
  if (!path) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  auto file = DurableFile::create(std::string(*path), false, DurableFile::Existing::refuse);
  if (!file) return std::unexpected(file.error());
  if (auto written = file->append(answer->body); !written) return std::unexpected(written.error());
  if (auto finished = file->finish(); !finished) return std::unexpected(finished.error());
  session.note("all that is held of that person stands in " + std::string(*path) + ", for you alone to read");
  return ExitStatus::done;
}

Result<ExitStatus> privacy_erase(Session& session, const Invocation& call) {
  const auto reason = call.value("--reason");
  if (!reason)
    return fail(ErrorKind::invalid_argument, "USAGE",
                "hansa privacy erase needs --reason: it stays on record, so name nobody in it; see: hansa privacy erase --help");
  return show_answer(session, call, "POST", "/v1/privacy/erasures", {{"person", call.operands()[0]}, {"reason", *reason}},
                     erasure_text);
}

Result<ExitStatus> privacy_approve(Session& session, const Invocation& call) {
  return show_answer(session, call, "POST", "/v1/privacy/erasures/" + percent_encoded(call.operands()[0]) + "/approve",
                     Json::object(), erasure_text);
}

Result<ExitStatus> privacy_reject(Session& session, const Invocation& call) {
  return show_answer(session, call, "POST", "/v1/privacy/erasures/" + percent_encoded(call.operands()[0]) + "/reject",
                     Json::object(), erasure_text);
}

Result<ExitStatus> privacy_erasures(Session& session, const Invocation& call) {
  return show_answer(session, call, "GET", "/v1/privacy/erasures", {}, [&](const Json& answer) {
    Table table({{"ID"},
                 {"STATE"},
                 {"PERSON"},
                 {"ASKED"},
                 {"BY"},
                 {"RULED BY"},
                 {"DONE"},
                 {"JOBS", true},
                 {"RECORDS", true},
                 {"REASON", false, true}});
    for (const auto& one : member(answer, "erasures")) {
      table.add({shown(one, "id"), Cell(shown(one, "state"), tint_of(raw_text(one, "state"))), or_nobody(one, "person"),
                 shown(one, "at"), shown(one, "by"), or_nobody(one, "ruled_by"), shown(one, "done_at"), number_text(one, "jobs"),
                 number_text(one, "records"), shown(one, "reason")});
    }
    if (table.empty()) session.note("nobody's erasure was asked for");
    return table.empty() ? std::string() : table.text(session.look());
  });
}

}  // namespace hansa::cli
