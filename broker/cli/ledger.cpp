// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "broker/cli/durable_file.hpp"
#include "broker/cli/ledger_link.hpp"
#include "broker/cli/report_check.hpp"
#include "broker/core/wide.hpp"

#include <algorithm>

namespace hansa::cli {
namespace {

Result<ledger::ExportCheck::Wanted> wanted_by(const Invocation& call) {
  ledger::ExportCheck::Wanted wanted;
  if (const auto text = call.value("--key")) {
    auto key = ledger::parse_verifier(*text);
    if (!key) return fail(ErrorKind::invalid_argument, "USAGE", "--key: " + key.error().message);
    wanted.key = std::move(*key);
  }
  for (const auto text : call.values("--witness")) {
    auto key = ledger::parse_verifier(text);
    if (!key) return fail(ErrorKind::invalid_argument, "USAGE", "--witness: " + key.error().message);
    wanted.witnesses.push_back(std::move(*key));
  }
  return wanted;
}

Json facts_json(const ledger::ExportCheck::Facts& facts) {
  Json json{{"verified", true},
            {"origin", facts.checkpoint.origin},
            {"size", facts.checkpoint.size},
            {"root", ledger::base64_of(facts.checkpoint.root)},
            {"kinds", facts.kinds},
            {"personal_parts", facts.personal_parts},
            {"erased", facts.erased},
            {"closes_not_kept", facts.closes_not_kept},
            {"keys", Json::array()},
            {"cosignatures", Json::array()},
            {"sums", Json::array()}};
  for (const auto& key : facts.keys) json["keys"].push_back(key.text());
  for (const auto& by : facts.cosignatures)
    json["cosignatures"].push_back({{"witness", by.name}, {"signed_at", format_utc(ledger::time_of(by))}});
  for (const auto& [of, sum] : facts.sums) {
    json["sums"].push_back({{"project", of.first},
                            {"site", of.second},
                            {"runs", sum.amounts.runs},
                            {"elapsed_s", sum.amounts.elapsed_s},
                            {"core_seconds", sum.amounts.core_seconds},
                            {"gpu_seconds", sum.amounts.gpu_seconds},
                            {"node_seconds", sum.amounts.node_seconds},
                            {"corrections", sum.corrections}});
  }
  return json;
}

std::string facts_text(const ledger::ExportCheck::Facts& facts, const Look& look) {
  std::string text = printable(facts.checkpoint.origin) + ": " + std::to_string(facts.checkpoint.size) +
                     " records, whole and signed; root " + ledger::base64_of(facts.checkpoint.root) + "\n";
  text += "key " + printable(facts.keys.back().text()) +
          (facts.keys.size() > 1 ? ", after " + std::to_string(facts.keys.size() - 1) + " others, each of which named the next"
                                 : "") +
          "\n";
  for (const auto& by : facts.cosignatures)
    text += "witnessed by " + printable(by.name) + " at " + format_utc(ledger::time_of(by)) + "\n";
  if (facts.closes_not_kept > 0)
    text += std::to_string(facts.closes_not_kept) +
            " closes of months rest on what was not kept then: that those months could be closed is not verifiable\n";
  Table table({{"PROJECT", false, true},
               {"SITE", false, true},
               {"RUNS", true},
               {"ELAPSED-SECONDS", true},
               {"CORE-SECONDS", true},
               {"GPU-SECONDS", true},
               {"NODE-SECONDS", true},
               {"CORRECTIONS", true}});
  for (const auto& [of, sum] : facts.sums) {
    table.add({Cell(printable(of.first)), Cell(printable(of.second)), Cell(std::to_string(sum.amounts.runs)),
               Cell(std::to_string(sum.amounts.elapsed_s)), Cell(std::to_string(sum.amounts.core_seconds)),
               Cell(std::to_string(sum.amounts.gpu_seconds)), Cell(std::to_string(sum.amounts.node_seconds)),
               Cell(std::to_string(sum.corrections))});
  }
  return facts.sums.empty() ? text : text + table.text(look);
}

/// Whether a proof shows that the record is in the tree.
Result<void> check_proof(const Json& proof, const ledger::Checkpoint& head) {
  const auto path = path_of(member(proof, "path"));
  if (!path) return std::unexpected(path.error());
  const auto seq = number(proof, "seq");
  if (!seq || !ledger::is_included(*path, *seq, head.size, ledger::leaf_hash(raw_text(proof, "record")), head.root)) {
    return fail(ErrorKind::conflict, "LEDGER_ALTERED",
                "the broker's proof of record " + (seq ? std::to_string(*seq) : std::string("?")) + " shows nothing");
  }
  return {};
}

struct DecisionsSeen {
  std::int64_t all = 0;
  std::int64_t erased = 0;  // by their old hash alone: a name was taken out of them
};

/// Whether the broker's decisions are still those that the ledger has the root of.
Result<DecisionsSeen> check_decisions(Session& session, const ledger::ExportCheck::DecisionRoot& said) {
  ledger::Peaks tree;
  DecisionsSeen seen;
  for (auto next = said.first; next <= said.last;) {
    const auto answer = ask_ledger(session, "/v1/ledger/decisions?from=" + std::to_string(next));
    if (!answer) return std::unexpected(answer.error());
    const auto& leaves = member(*answer, "leaves");
    if (!leaves.is_array() || leaves.empty()) break;
    for (const auto& leaf : leaves) {
      const auto sequence = number(leaf, "sequence").value_or(-1);
      if (sequence < next) return no_ledger("decisions that are not in their order");
      if (sequence > said.last) break;
      tree.add(ledger::leaf_hash(raw_text(leaf, "leaf")));
      ++seen.all;
      if (member(leaf, "erased") == Json(true)) ++seen.erased;
      next = sequence + 1;
    }
    if (number(leaves.back(), "sequence").value_or(0) >= said.last) break;
  }
  const auto root = tree.root();
  if (tree.size() == said.decisions && ledger::hex_of(ledger::bytes_of(root)) == said.root) return seen;
  return fail(ErrorKind::conflict, "LEDGER_ALTERED",
              "the decisions " + std::to_string(said.first) + " to " + std::to_string(said.last) + " are not those that record " +
                  std::to_string(said.record) + " of the ledger vouches for");
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 16 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// A report of the broker, which keeps its sums beside the records: counted here, and held against what it says.
struct Recounted {
  std::string_view report;
  std::vector<std::string_view> by, figures;
  std::map<std::vector<std::string>, std::vector<Wide>> rows = {};
};

std::vector<Recounted> recounted_reports() {
  const std::vector<std::string_view> amounts{"runs", "elapsed_s", "core_seconds", "gpu_seconds", "node_seconds"};
  return {{"usage", {"project", "site"}, amounts},
          {"usage", {"day", "site"}, amounts},
          {"energy", {"day", "site"}, {"measured_j", "shared_j", "estimated_j"}}};
}

std::int64_t figure_in(const ledger::RecordFields& record, std::string_view figure) {
  constexpr std::pair<std::string_view, std::string_view> kScopes[] = {
      {"measured_j", "exclusive"}, {"shared_j", "shared"}, {"estimated_j", "estimated"}};
  for (const auto& [name, scope] : kScopes) {
    if (name == figure) return record.text("energy_scope") == scope ? record.integer("energy_j").value_or(0) : 0;
  }
  return record.integer(figure).value_or(0);
}

void count(std::vector<Recounted>& reports, const ledger::RecordFields& record) {
  for (auto& report : reports) {
    std::vector<std::string> key;
    for (const auto by : report.by) {
      key.push_back(by == "day" ? format_utc(from_unix_seconds(*record.integer("ended_s"))).substr(0, 10)
                                : std::string(record.text(by).value_or("")));
    }
    auto& row = report.rows[std::move(key)];
    row.resize(report.figures.size());
    for (std::size_t i = 0; i < row.size(); ++i) row[i] += figure_in(record, report.figures[i]);
  }
}

/// False: the ledger has grown since it was counted.
Result<bool> is_reported(Session& session, const Recounted& counted, std::int64_t size) {
  std::string by;
  for (const auto name : counted.by) by.append(by.empty() ? "" : ",").append(name);
  const auto report = ask_ledger(session, "/v1/reports/" + std::string(counted.report) + "?by=" + by + "&format=json");
  if (!report) return std::unexpected(report.error());
  if (number(member(*report, "ledger"), "size") != size) return false;
  const auto is_empty = [](const auto& row) { return std::ranges::all_of(row.second, [](Wide figure) { return figure == 0; }); };
  auto expected = counted.rows;
  std::erase_if(expected, is_empty);
  decltype(expected) told;
  for (const auto& row : member(*report, "rows")) {
    std::vector<std::string> key;
    std::vector<Wide> figures;
    for (const auto name : counted.by) key.push_back(raw_text(row, std::string(name).c_str()));
    for (const auto name : counted.figures) figures.emplace_back(number(row, std::string(name).c_str()).value_or(-1));
    told.insert_or_assign(std::move(key), std::move(figures));
  }
  std::erase_if(told, is_empty);
  if (told == expected) return true;
  return fail(
      ErrorKind::conflict, "LEDGER_ALTERED",
      "the sums of the broker's " + std::string(counted.report) + " report by " + by + " are not those of the ledger's records");
}

Result<ledger::ExportCheck::Facts> check_file(const std::string& path, ledger::ExportCheck::Wanted wanted) {
  ledger::ExportCheck check(std::move(wanted));
  if (auto read = read_in_pieces(path, [&](std::string_view piece) { return check.take(piece); }); !read)
    return std::unexpected(read.error());
  return check.finish();
}

/// The broker's ledger as it is now, and that its reports are of it. A ledger that grows meanwhile is read once more.
Result<ledger::ExportCheck::Facts> check_broker(Session& session, const ledger::ExportCheck::Wanted& asked) {
  for (int round = 0; round < 2; ++round) {
    auto reports = recounted_reports();
    auto wanted = asked;
    wanted.on_run = [&](const ledger::RecordFields& record) { count(reports, record); };
    ledger::ExportCheck check(std::move(wanted));
    if (auto read = stream_export(session, false, [&](std::string_view piece) { return check.take(piece); }); !read)
      return std::unexpected(read.error());
    auto facts = check.finish();
    if (!facts) return facts;
    bool same = true;
    for (const auto& counted : reports) {
      if (!same) break;
      const auto reported = is_reported(session, counted, facts->checkpoint.size);
      if (!reported) return std::unexpected(reported.error());
      same = *reported;
    }
    if (same) return facts;
  }
  return fail(ErrorKind::conflict, "LEDGER_MOVED",
              "the ledger is whole and signed, but twice something was booked while it was read: the broker's reports were not "
              "compared with it; ask again");
}

}  // namespace

Result<ExitStatus> ledger_show(Session& session, const Invocation& call) {
  const auto answer = session.send("GET", "/v1/ledger");
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto ledger = Session::read(*answer);
  if (!ledger) return std::unexpected(ledger.error());
  std::string text = shown(*ledger, "origin") + ": " + std::to_string(number(*ledger, "size").value_or(0)) + " records, root " +
                     shown(*ledger, "root") + "\n";
  if (const auto& keys = member(*ledger, "keys"); keys.is_array()) {
    for (const auto& key : keys)
      text += "key " + shown(key, "key") + ", since record " + std::to_string(number(key, "record").value_or(0)) + "\n";
  }
  if (const auto& witnesses = member(*ledger, "witnesses"); witnesses.is_array()) {
    for (const auto& witness : witnesses) {
      const auto size = number(witness, "size");
      text += "witness " + shown(witness, "name") +
              (size ? ": found " + std::to_string(*size) + " records consistent at " + shown(witness, "signed_at")
                    : ": not heard of yet") +
              "\n";
    }
  }
  if (const auto& refused = member(*ledger, "refused"); refused.is_array() && !refused.empty()) {
    Table table({{"NOT BOOKED OF"}, {"REASON"}, {"TIMES REFUSED", true}, {"LAST"}, {"LAST JOB", false, true}});
    for (const auto& entry : refused) {
      table.add({shown(entry, "site"), shown(entry, "reason"), std::to_string(number(entry, "records").value_or(0)),
                 shown(entry, "last_at"), shown(entry, "last_site_job_id")});
    }
    text += table.text(session.look());
  }
  session.print(text);
  return ExitStatus::done;
}

Result<ExitStatus> ledger_checkpoint(Session& session, const Invocation& call) {
  const auto answer = session.send("GET", "/v1/ledger/checkpoint");
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto checkpoint = Session::read(*answer);
  if (!checkpoint) return std::unexpected(checkpoint.error());
  auto note = ledger::parse_note(raw_text(*checkpoint, "note"));
  if (!note) return std::unexpected(note.error());
  session.print(note->str());
  return ExitStatus::done;
}

Result<ExitStatus> ledger_verify(Session& session, const Invocation& call) {
  auto wanted = wanted_by(call);
  if (!wanted) return std::unexpected(wanted.error());
  if (const auto report = call.value("--report")) {
    return check_report(session, std::string(*report), call.operands().empty() ? "" : call.operands()[0], std::move(*wanted),
                        call.has("--json"));
  }
  const bool pinned = wanted->key.has_value();
  auto facts = call.operands().empty() ? check_broker(session, *wanted) : check_file(call.operands()[0], std::move(*wanted));
  if (!facts) {
    if (facts.error().code != "LEDGER_ALTERED") return std::unexpected(facts.error());
    session.complain(facts.error());
    return ExitStatus::fault_found;
  }
  DecisionsSeen decisions;
  if (call.operands().empty()) {
    for (const auto& said : facts->decisions) {
      const auto checked = check_decisions(session, said);
      if (!checked && checked.error().code != "LEDGER_ALTERED") return std::unexpected(checked.error());
      if (!checked) {
        session.complain(checked.error());
        return ExitStatus::fault_found;
      }
      decisions.all += checked->all;
      decisions.erased += checked->erased;
    }
  }
  session.print(call.has("--json") ? facts_json(*facts).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
                                   : facts_text(*facts, session.look()));
  if (decisions.all > 0) session.note(std::to_string(decisions.all - decisions.erased) + " decisions are as they were taken");
  if (decisions.erased > 0) {
    session.note(std::to_string(decisions.erased) +
                 " decisions had a name taken out since: of them the ledger vouches for the hash alone");
  }
  if (!pinned) session.note("whose ledger it is, the key tells: compare it with the one you were given, or give that with --key");
  return ExitStatus::done;
}

Result<ExitStatus> ledger_prove(Session& session, const Invocation& call) {
  const auto& id = call.operands()[0];
  Target target("/v1/ledger/proof");
  target.add(is_number(id) ? "record" : "job", id);
  const auto answer = session.send("GET", target.str());
  if (!answer) return std::unexpected(answer.error());
  const auto proof = Session::read(*answer);
  if (!proof) return std::unexpected(proof.error());
  const auto checkpoint = read_checkpoint(raw_text(*proof, "checkpoint"));
  if (!checkpoint) return std::unexpected(checkpoint.error());
  const auto& proofs = member(*proof, "proofs");
  if (!proofs.is_array() || proofs.empty())
    return fail(ErrorKind::not_found, "NO_SUCH_RECORD",
                "the ledger has no record of it yet: a site accounts for a job after its end");
  std::string text;
  for (const auto& entry : proofs) {
    if (auto checked = check_proof(entry, checkpoint->head); !checked) return std::unexpected(checked.error());
    text += printable(raw_text(entry, "record")) + "\nis record " + std::to_string(number(entry, "seq").value_or(0)) + " of " +
            std::to_string(checkpoint->head.size) + ", by " + std::to_string(member(entry, "path").size()) + " hashes:\n";
    for (const auto& hash : member(entry, "path")) text += "  " + printable(hash.get<std::string>()) + "\n";
  }
  session.print(call.has("--json") ? answer->body : text + "\n" + checkpoint->note.str());
  return ExitStatus::done;
}

Result<ExitStatus> ledger_export(Session& session, const Invocation& call) {
  const auto path = call.value("--output");
  if (!path)
    return fail(ErrorKind::invalid_argument, "USAGE", "hansa ledger export needs --output FILE; see: hansa ledger export --help");
  const bool personal = call.has("--personal");
  auto file = DurableFile::create(std::string(*path), !personal, DurableFile::Existing::refuse);
  if (!file) return std::unexpected(file.error());
  ledger::ExportCheck check({});  // what does not hold is not kept
  const auto streamed = stream_export(session, personal, [&](std::string_view piece) -> Result<void> {
    if (auto written = file->append(piece); !written) return written;
    return check.take(piece);
  });
  if (!streamed) return std::unexpected(streamed.error());
  const auto facts = check.finish();
  if (!facts) return std::unexpected(facts.error());
  if (auto finished = file->finish(); !finished) return std::unexpected(finished.error());
  session.note(std::to_string(facts->checkpoint.size) + " records in " + std::string(*path) +
               (personal ? ", with the personal parts: it is for you alone" : ""));
  return ExitStatus::done;
}

Result<ExitStatus> ledger_corrections(Session& session, const Invocation& call) {
  Target target("/v1/ledger/corrections");
  if (const auto limit = call.value("--limit")) target.add("limit", *limit);
  const auto answer = session.send("GET", target.str());
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto list = Session::read(*answer);
  if (!list) return std::unexpected(list.error());
  Table table({{"AT"},
               {"SITE"},
               {"JOB"},
               {"PROJECT"},
               {"REASON"},
               {"TOOK BACK", true},
               {"BOOKED", true},
               {"CORE-SECONDS", true},
               {"NOW", true},
               {"GPU-SECONDS", true},
               {"NOW", true}});
  const auto& corrections = member(*list, "corrections");
  if (!corrections.is_array() || corrections.empty()) {
    session.note("no site has changed a record that was booked");
    return ExitStatus::done;
  }
  const auto count = [](const Json& entry, const char* key) {
    const auto value = number(entry, key);
    return Cell(value ? std::to_string(*value) : "-");
  };
  for (const auto& entry : corrections) {
    table.add({shown(entry, "at"), shown(entry, "site"), shown(entry, "site_job_id"), shown(entry, "project"),
               shown(entry, "reason"), count(entry, "reversed"), count(entry, "replaced_by"), count(entry, "core_seconds_before"),
               count(entry, "core_seconds_after"), count(entry, "gpu_seconds_before"), count(entry, "gpu_seconds_after")});
  }
  session.print(table.text(session.look()));
  return ExitStatus::done;
}

Result<ExitStatus> ledger_change_key(Session& session, const Invocation& call) {
  const auto answer = session.send("POST", "/v1/ledger/key");
  if (!answer) return std::unexpected(answer.error());
  const auto changed = Session::read(*answer);
  if (!changed) return std::unexpected(changed.error());
  session.print(call.has("--json") ? answer->body : shown(*changed, "key") + "\n");
  return ExitStatus::done;
}

}  // namespace hansa::cli
