// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "broker/cli/durable_file.hpp"
#include "broker/cli/ledger_link.hpp"
#include "broker/cli/report_check.hpp"

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

/// Whether the broker's decisions are still those that the ledger has the root of; how many they are.
Result<std::int64_t> check_decisions(Session& session, const ledger::ExportCheck::DecisionRoot& said) {
  ledger::Peaks tree;
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
      next = sequence + 1;
    }
    if (number(leaves.back(), "sequence").value_or(0) >= said.last) break;
  }
  const auto root = tree.root();
  if (tree.size() == said.decisions && ledger::hex_of(ledger::bytes_of(root)) == said.root) return tree.size();
  return fail(ErrorKind::conflict, "LEDGER_ALTERED",
              "the decisions " + std::to_string(said.first) + " to " + std::to_string(said.last) + " are not those that record " +
                  std::to_string(said.record) + " of the ledger vouches for");
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 16 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// What the broker's reports sum up, which it keeps beside the records: held against what was counted here.
Result<void> compare_sums(Session& session, const ledger::ExportCheck::Facts& facts) {
  const auto report = ask_ledger(session, "/v1/reports/usage?by=project,site&format=json");
  if (!report) return std::unexpected(report.error());
  if (number(member(*report, "ledger"), "size") != facts.checkpoint.size) return {};  // something was booked meanwhile
  std::map<std::pair<std::string, std::string>, ledger::Amounts> told;
  for (const auto& row : member(*report, "rows")) {
    const auto at = [&row](const char* key) {
      const auto& value = member(row, key);
      return value.is_number_integer() ? value.get<std::int64_t>() : -1;
    };
    told[{raw_text(row, "project"), raw_text(row, "site")}] = {at("runs"), at("elapsed_s"), at("core_seconds"), at("gpu_seconds"),
                                                               at("node_seconds")};
  }
  std::map<std::pair<std::string, std::string>, ledger::Amounts> counted;
  for (const auto& [of, sum] : facts.sums) {
    if (sum.amounts != ledger::Amounts{}) counted.emplace(of, sum.amounts);
  }
  if (told == counted) return {};
  return fail(ErrorKind::conflict, "LEDGER_ALTERED",
              "the sums of the broker's usage report are not those of the ledger's records");
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
  ledger::ExportCheck check(std::move(*wanted));
  const auto take = [&](std::string_view piece) { return check.take(piece); };
  const auto read = call.operands().empty() ? stream_export(session, false, take) : read_in_pieces(call.operands()[0], take);
  auto facts = read ? check.finish() : Result<ledger::ExportCheck::Facts>(std::unexpected(read.error()));
  if (facts && call.operands().empty()) {
    if (auto same = compare_sums(session, *facts); !same) facts = std::unexpected(same.error());
  }
  if (!facts) {
    if (facts.error().code != "LEDGER_ALTERED") return std::unexpected(facts.error());
    session.complain(facts.error());
    return ExitStatus::fault_found;
  }
  std::int64_t decisions = 0;
  if (call.operands().empty()) {
    for (const auto& said : facts->decisions) {
      const auto checked = check_decisions(session, said);
      if (!checked && checked.error().code != "LEDGER_ALTERED") return std::unexpected(checked.error());
      if (!checked) {
        session.complain(checked.error());
        return ExitStatus::fault_found;
      }
      decisions += *checked;
    }
  }
  session.print(call.has("--json") ? facts_json(*facts).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
                                   : facts_text(*facts, session.look()));
  if (decisions > 0) session.note(std::to_string(decisions) + " decisions are as they were taken");
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
