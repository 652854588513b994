// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/changes.hpp"
#include "broker/cli/commands.hpp"
#include "broker/cli/pages.hpp"
#include "broker/cli/submission.hpp"

#include <charconv>

namespace hansa::cli {
namespace {

std::string dataset_path(const Invocation& call, std::string_view rest = {}) {
  return "/v1/datasets/" + percent_encoded(call.operands()[0]) + std::string(rest);
}
std::string replica_path(const Invocation& call, std::string_view rest = {}) {
  return dataset_path(call, "/replicas/") + percent_encoded(call.operands()[1]) + std::string(rest);
}

Result<Json> whole_number(std::string_view option, std::string_view text) {
  std::int64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || at != end || number < 0 || number > kMostExact)
    return fail(ErrorKind::invalid_argument, "USAGE",
                std::string(option) + " must be a whole number, without a unit, as in 155000000000");
  return Json(number);
}

std::string bytes_text(const Json& json) {
  const auto bytes = number(json, "size_bytes");
  return bytes ? size_text(*bytes) : std::string();
}

std::string terms_text(const Json& terms) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (const auto& permit = member(terms, "permit"); permit.is_object())
    add("permit " + shown(permit, "id") + " until " + shown(permit, "until"));
  if (const auto basis = shown(terms, "transfer_basis"); !basis.empty()) add("basis of transfers: " + basis);
  if (const auto& reviewed = member(terms, "reviewed"); reviewed.is_boolean())
    add(reviewed == true ? "reviewed: no longer personal" : "reviewed: still personal");
  return text;
}

constexpr std::pair<std::string_view, std::string_view> kDatasetWords[] = {
    {"/id", "DATASET"},           {"/project", "--project"},
    {"/labels", "--label"},       {"/size_bytes", "--size"},
    {"/files", "--files"},        {"/sha256", "--sha256"},
    {"/owner", "--owner"},        {"/site", "SITE"},
    {"/root", "--root"},          {"/path", "--path"},
    {"/expires_at", "--expires"}, {"/verified_at", "--at"},
    {"/reason", "--reason"},      {"/permit/until", "--until"},
    {"/permit", "--permit"},      {"/transfer_basis", "--transfer-basis"},
    {"/reviewed", "--reviewed"},
};

/// Sends it of the register of datasets.
Result<ExitStatus> ask(Session& session, const Invocation& call, std::string_view method, const std::string& target,
                       const std::string& body = {}) {
  return ask(session, call, datasets(), method, target, body);
}

std::string dataset_sheet(const Json& dataset, const Look& look) {
  Table sheet({{""}, {""}});
  const auto line = [&](const char* label, const std::string& value) {
    if (!value.empty()) sheet.add({Cell(label, Tint::strong), Cell(value)});
  };
  line("dataset", shown(dataset, "id"));
  line("labels", listed(member(dataset, "labels")));
  line("terms", terms_text(member(dataset, "terms")));
  line("owner", shown(dataset, "owner"));
  line("project", shown(dataset, "project"));
  line("size", bytes_text(dataset) + " in " + number_text(dataset, "files") + " files");
  line("SHA-256", shown(dataset, "sha256"));
  line("registered", shown(dataset, "created_at"));
  line("changed", shown(dataset, "changed_at"));
  auto out = sheet.text({.colours = look.colours}, false);
  Table replicas({{"SITE"}, {"STATE"}, {"ROOT"}, {"PATH", false, true}, {"ADDED"}, {"VERIFIED"}, {"BY"}, {"EXPIRES"}});
  const auto& all = member(dataset, "replicas");
  if (all.is_array()) {
    for (const auto& replica : all) {
      const auto state = shown(replica, "state");
      replicas.add({shown(replica, "site"), Cell(state, state == "verified" ? Tint::good : Tint::odd), shown(replica, "root"),
                    shown(replica, "path"), shown(replica, "added_at"), shown(replica, "verified_at"),
                    shown(replica, "verified_by"), shown(replica, "expires_at")});
    }
  }
  if (!replicas.empty()) out += "\n" + replicas.text(look);
  return out;
}

}  // namespace

const Register& datasets() {
  static constexpr Register kDatasets{
      .group = "data", .name = "datasets", .filter = "dataset", .heading = "DATASET", .words = kDatasetWords};
  return kDatasets;
}

std::string dataset_change_text(const Json& change) {
  const auto name = raw_text(change, "change");
  const auto& details = member(change, "details");
  if (name == "registered") return "registered: " + listed(member(details, "labels"));
  if (name == "relabelled") return "labels: " + listed(member(details, "before")) + " -> " + listed(member(details, "after"));
  if (name == "owner_changed") return "owner: " + shown(details, "before") + " -> " + shown(details, "after");
  if (name == "terms_changed") {
    const auto before = terms_text(member(details, "before")), after = terms_text(member(details, "after"));
    return "terms: " + (before.empty() ? "none" : before) + " -> " + (after.empty() ? "none" : after);
  }
  if (name == "replica_added")
    return "replica added: " + shown(details, "site") + " " + shown(details, "root") + ":" + shown(details, "path");
  if (name == "replica_removed") return "replica removed: " + shown(details, "site");
  if (name == "replica_verified")
    return "replica verified: " + shown(details, "site") + ", until " + shown(details, "expires_at");
  return printable(name);
}

Result<ExitStatus> data_add(Session& session, const Invocation& call) {
  Json request{{"id", call.operands()[0]}, {"labels", call.values("--label")}};
  put_text(request, "project", call.value("--project"));
  put_text(request, "owner", call.value("--owner"));
  put_text(request, "sha256", call.value("--sha256"));
  put_text(request, "reason", call.value("--reason"));
  for (const auto& [option, field] : {std::pair("--size", "size_bytes"), std::pair("--files", "files")}) {
    const auto text = call.value(option);
    if (!text) continue;
    auto number = whole_number(option, *text);
    if (!number) return std::unexpected(number.error());
    request[field] = std::move(*number);
  }
  return ask(session, call, "POST", "/v1/datasets", dumped(request));
}

Result<ExitStatus> data_list(Session& session, const Invocation& call) {
  const auto count = wanted_count(call);
  if (!count) return std::unexpected(count.error());
  Target filtered("/v1/datasets");
  for (const auto& [option, field] :
       {std::pair("--label", "label"), std::pair("--project", "project"), std::pair("--owner", "owner")}) {
    if (const auto value = call.value(option)) filtered.add(field, *value);
  }
  auto pages = read_pages(session, filtered, "datasets", *count);
  if (!pages) return std::unexpected(pages.error());
  if (call.has("--json")) {
    session.print(pages_document("datasets", std::move(*pages)));
    return ExitStatus::done;
  }
  if (pages->list.empty()) {
    session.note("no datasets" + std::string(filtered.str().contains('?') ? " like that" : ""));
    return ExitStatus::done;
  }
  Table table({{"DATASET"}, {"LABELS", false, true}, {"OWNER"}, {"PROJECT"}, {"SIZE", true}, {"FILES", true}, {"VERIFIED AT"}});
  for (const auto& dataset : pages->list) {
    std::string sites;
    if (const auto& replicas = member(dataset, "replicas"); replicas.is_array()) {
      for (const auto& replica : replicas) {
        if (raw_text(replica, "state") == "verified") sites += (sites.empty() ? "" : ", ") + shown(replica, "site");
      }
    }
    table.add({shown(dataset, "id"), listed(member(dataset, "labels")), shown(dataset, "owner"), shown(dataset, "project"),
               bytes_text(dataset), number_text(dataset, "files"), sites});
  }
  session.print(table.text(session.look()));
  if (pages->next_cursor.is_string() && !call.has("--limit"))
    session.note("these are the first " + std::to_string(kUsualCount) + "; see all with: hansa data list --all");
  return ExitStatus::done;
}

Result<ExitStatus> data_show(Session& session, const Invocation& call) {
  const auto answer = session.send("GET", dataset_path(call));
  if (!answer) return std::unexpected(answer.error());
  const auto dataset = Session::read(*answer);
  if (!dataset) return std::unexpected(dataset.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  Target waiting("/v1/changes");
  waiting.add("dataset", call.operands()[0]).add("state", "pending");
  auto pages = read_pages(session, waiting, "changes", kUsualCount);
  if (!pages) return std::unexpected(pages.error());
  const auto moving = session.send("GET", dataset_path(call, "/transfers"));
  if (!moving) return std::unexpected(moving.error());
  const auto transfers = Session::read(*moving);
  if (!transfers) return std::unexpected(transfers.error());
  session.print(dataset_sheet(*dataset, session.look()));
  if (auto table = transfer_table(member(*transfers, "transfers")); !table.empty())
    session.print("\n" + table.text(session.look()));
  if (!pages->list.empty()) session.print("\n" + change_table(datasets(), pages->list, session.look()));
  return ExitStatus::done;
}

Result<ExitStatus> data_label(Session& session, const Invocation& call) {
  const auto& operands = call.operands();
  Json request{{"labels", std::vector(operands.begin() + 1, operands.end())}};
  put_text(request, "reason", call.value("--reason"));
  return ask(session, call, "PATCH", dataset_path(call), dumped(request));
}

Result<ExitStatus> data_owner(Session& session, const Invocation& call) {
  Json request{{"owner", call.operands()[1]}};
  put_text(request, "reason", call.value("--reason"));
  return ask(session, call, "PATCH", dataset_path(call), dumped(request));
}

Result<ExitStatus> data_terms(Session& session, const Invocation& call) {
  Json request = Json::object();
  const auto permit = call.value("--permit"), until = call.value("--until");
  const bool none = call.has("--no-permit");
  if (permit.has_value() != until.has_value() || (none && permit)) {
    return fail(ErrorKind::invalid_argument, "USAGE",
                "give --permit together with --until, the day on which it ends, or --no-permit alone");
  }
  if (none) request["permit"] = Json();
  if (permit) {
    const auto moment = parse_moment("--until", *until, session.now(), Direction::forward);
    if (!moment) return std::unexpected(moment.error());
    request["permit"] = {{"id", *permit}, {"until", format_utc(*moment)}};
  }
  put_text(request, "transfer_basis", call.value("--transfer-basis"));
  if (const auto reviewed = call.value("--reviewed")) {
    if (reviewed != "true" && reviewed != "false")
      return fail(ErrorKind::invalid_argument, "USAGE", "--reviewed must be true or false");
    request["reviewed"] = reviewed == "true";
  }
  if (request.empty()) {
    return fail(ErrorKind::invalid_argument, "USAGE",
                "hansa data terms needs what is to change: --permit with --until, --no-permit, --transfer-basis or --reviewed");
  }
  put_text(request, "reason", call.value("--reason"));
  return ask(session, call, "PATCH", dataset_path(call), dumped(request));
}

Result<ExitStatus> data_replica_add(Session& session, const Invocation& call) {
  Json request{{"site", call.operands()[1]}};
  put_text(request, "root", call.value("--root"));
  put_text(request, "path", call.value("--path"));
  put_text(request, "reason", call.value("--reason"));
  return ask(session, call, "POST", dataset_path(call, "/replicas"), dumped(request));
}

Result<ExitStatus> data_replica_remove(Session& session, const Invocation& call) {
  return ask(session, call, "DELETE", replica_path(call));
}

Result<ExitStatus> data_replica_verify(Session& session, const Invocation& call) {
  Json request = Json::object();
  put_text(request, "sha256", call.value("--sha256"));
  put_text(request, "reason", call.value("--reason"));
  if (const auto text = call.value("--expires")) {
    const auto moment = parse_moment("--expires", *text, session.now(), Direction::forward);
    if (!moment) return std::unexpected(moment.error());
    request["expires_at"] = format_utc(*moment);
  }
  if (const auto text = call.value("--at")) {
    const auto moment = parse_moment("--at", *text, session.now(), Direction::back);
    if (!moment) return std::unexpected(moment.error());
    request["verified_at"] = format_utc(*moment);
  }
  return ask(session, call, "POST", replica_path(call, "/verify"), dumped(request));
}

Result<ExitStatus> data_changes(Session& session, const Invocation& call) { return list_changes(session, call, datasets()); }
Result<ExitStatus> data_approve(Session& session, const Invocation& call) {
  return rule_on_change(session, call, datasets(), "approve");
}
Result<ExitStatus> data_reject(Session& session, const Invocation& call) {
  return rule_on_change(session, call, datasets(), "reject");
}

}  // namespace hansa::cli
