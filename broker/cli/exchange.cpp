// SPDX-License-Identifier: Apache-2.0
// `hansa report apel` and `hansa report waldur`: the ledger's runs as others' accounting takes them, in files. Nothing is sent.
#include "broker/cli/commands.hpp"
#include "broker/cli/exchange_runs.hpp"
#include "broker/cli/message_folder.hpp"
#include "broker/core/json_text.hpp"
#include "broker/core/sha256_stream.hpp"
#include "broker/ledger/waldur.hpp"

#include <algorithm>

namespace hansa::cli {
namespace {

constexpr std::string_view kApelKinds[] = {"individual", "summary", "sync"};  // by ledger::ApelKind's values

using Counts = std::map<std::string, std::int64_t, std::less<>>;

std::string counted(std::int64_t number, const std::string& of) {
  return std::to_string(number) + " " + of + (number == 1 ? "" : "s");
}
std::string left_out_text(const Counts& left_out) {
  std::string text;
  for (const auto& [why, runs] : left_out) text += (text.empty() ? "; left out: " : ", ") + std::to_string(runs) + " " + why;
  return text;
}

std::unexpected<Error> not_named(const WantedRuns& wanted, const std::string& where) {
  return fail(ErrorKind::conflict, "NOT_NAMED_THERE",
              (wanted.site ? "site " + *wanted.site + " is" : std::string("no site is")) + " known there by a name: [site." +
                  where + "] in hansad.toml says it (docs/exchange-formats.md)");
}

Result<ledger::ApelKind> kind_of(const Invocation& call) {
  const auto* kind = std::ranges::find(kApelKinds, call.value("--kind").value_or(""));
  if (kind == std::end(kApelKinds))
    return fail(ErrorKind::invalid_argument, "USAGE", "--kind must be individual, summary or sync");
  return static_cast<ledger::ApelKind>(kind - std::begin(kApelKinds));
}

/// Those that APEL knows, by Hansa's names.
Result<std::map<std::string, ledger::ApelSite>> apel_sites(Session& session, const WantedRuns& wanted) {
  auto sites = exchange_sites(session, wanted);
  if (!sites) return std::unexpected(std::move(sites.error()));
  std::map<std::string, ledger::ApelSite> named;
  for (auto& site : *sites) {
    if (site.apel) named.emplace(site.id, std::move(*site.apel));
  }
  if (named.empty()) return not_named(wanted, "apel");
  return named;
}

/// What is told of each message beside the queue: a line of canonical JSON, so that every run in it can be looked up in the
/// ledger.
class Evidence {
 public:
  explicit Evidence(DurableFile file) : file_(std::move(file)) {}

  Result<void> add(const std::string& name, const ledger::ApelMessage& message) {
    std::string runs = "[";
    for (const auto& [seq, leaf] : message.runs)
      runs += (runs.size() > 1 ? ",[" : "[") + std::to_string(seq) + ",\"" + ledger::hex_of(ledger::bytes_of(leaf)) + "\"]";
    std::string line;
    JsonObjectText out(line);
    out.text("file", name);
    out.number("records", static_cast<std::int64_t>(message.records));
    out.json("runs", runs + "]");
    out.text("sha256", sha256_hex(message.text));
    out.end();
    ++messages;
    records += static_cast<std::int64_t>(message.records);
    return append(line + "\n");
  }
  /// What it says of all of them, last; then its own length and hash.
  Result<void> finish(const Counts& left_out, const ledger::Amounts& taken, ledger::ReportManifest& manifest) {
    const Json last{{"left_out", left_out},
                    {"messages", messages},
                    {"records", records},
                    {"taken", {{"runs", taken.runs}, {"elapsed_s", taken.elapsed_s}, {"core_seconds", taken.core_seconds}}}};
    if (auto added = append(canonical_json(last) + "\n"); !added) return added;
    manifest.rows = records;
    manifest.bytes = bytes_;
    manifest.sha256 = hash_.finish();
    return file_.finish();
  }

  std::int64_t messages = 0, records = 0;

 private:
  Result<void> append(const std::string& line) {
    hash_.add(line);
    bytes_ += static_cast<std::int64_t>(line.size());
    return file_.append(line);
  }

  DurableFile file_;
  Sha256Stream hash_;
  std::int64_t bytes_ = 0;
};

Result<void> write_whole(Result<DurableFile> file, std::string_view text) {
  if (!file) return std::unexpected(std::move(file.error()));
  if (auto written = file->append(text); !written) return written;
  return file->finish();
}

}  // namespace

Result<ExitStatus> report_apel(Session& session, const Invocation& call) {
  const auto kind = kind_of(call);
  if (!kind) return std::unexpected(kind.error());
  const auto wanted = wanted_runs(call, session.now());
  if (!wanted) return std::unexpected(wanted.error());
  const auto sites = apel_sites(session, *wanted);
  if (!sites) return std::unexpected(sites.error());
  const auto head = newest_checkpoint(session);
  if (!head) return std::unexpected(head.error());

  const bool others_may_read = wanted->persons != ledger::Persons::named;
  auto folder = MessageFolder::create(wanted->output, others_may_read, session.now());
  if (!folder) return std::unexpected(std::move(folder.error()));
  auto evidence_file = folder->add_file("evidence.jsonl");
  if (!evidence_file) return std::unexpected(std::move(evidence_file.error()));
  Evidence evidence(std::move(*evidence_file));
  ledger::ApelWriter writer({.kind = *kind, .month = wanted->month, .persons = wanted->persons, .now = session.now()},
                            [&](const ledger::ApelMessage& message) -> Result<void> {
                              auto name = folder->add_message(message.text);
                              if (!name) return std::unexpected(std::move(name.error()));
                              return evidence.add(*name, message);
                            });
  Counts left_out;
  ledger::Amounts taken;
  auto streamed = stream_runs(session, *wanted, head->head.size, [&](const ledger::ExchangeRun& run) -> Result<void> {
    const auto site = sites->find(run.site);
    if (site == sites->end()) return ++left_out["SITE_NOT_IN_APEL"], Result<void>{};
    const auto why = writer.take(run, site->second);
    if (!why) return std::unexpected(why.error());
    if (why->empty()) return ledger::add_amounts(taken, run.amounts);
    return ++left_out[std::string(*why)], Result<void>{};
  });
  std::vector<ledger::ApelSite> names;
  for (const auto& [id, site] : *sites) names.push_back(site);
  if (streamed) streamed = writer.finish(names);
  auto manifest =
      manifest_of(*wanted, "apel-" + std::string(kApelKinds[static_cast<std::size_t>(*kind)]), head->note, session.now());
  manifest.file_format = "apel";
  if (streamed) streamed = evidence.finish(left_out, taken, manifest);
  if (streamed) streamed = write_whole(folder->add_file("evidence.jsonl.manifest.json"), ledger::manifest_text(manifest));
  if (streamed) streamed = folder->finish();
  if (!streamed) return std::unexpected(std::move(streamed.error()));
  session.note(counted(evidence.messages, "message") + " of " + counted(evidence.records, "record") + " in " + wanted->output +
               "/outgoing" + left_out_text(left_out) + (others_may_read ? "" : "; with persons: it is for you alone"));
  return ExitStatus::done;
}

Result<ExitStatus> report_waldur(Session& session, const Invocation& call) {
  const auto wanted = wanted_runs(call, session.now());
  if (!wanted) return std::unexpected(wanted.error());
  const auto sites = exchange_sites(session, *wanted);
  if (!sites) return std::unexpected(sites.error());
  std::map<std::string, const ledger::WaldurSite*> named;
  for (const auto& site : *sites) {
    if (site.waldur) named.emplace(site.id, &*site.waldur);
  }
  if (named.empty()) return not_named(*wanted, "waldur");
  const auto head = newest_checkpoint(session);
  if (!head) return std::unexpected(head.error());

  ledger::WaldurUsage usage(wanted->month, wanted->persons);
  Counts left_out;
  const auto streamed = stream_runs(session, *wanted, head->head.size, [&](const ledger::ExchangeRun& run) -> Result<void> {
    const auto site = named.find(run.site);
    if (site == named.end()) return ++left_out["SITE_NOT_IN_WALDUR"], Result<void>{};
    return usage.take(run, *site->second);
  });
  if (!streamed) return std::unexpected(streamed.error());
  const auto text = usage.text();
  auto manifest = manifest_of(*wanted, "waldur", head->note, session.now());
  manifest.file_format = "waldur";
  manifest.rows = usage.resources();
  manifest.bytes = static_cast<std::int64_t>(text.size());
  manifest.sha256 = sha256_hex(text);
  const bool others_may_read = wanted->persons != ledger::Persons::named;
  const auto refuse = DurableFile::Existing::refuse;
  auto written = write_whole(DurableFile::create(wanted->output, others_may_read, refuse), text);
  if (written)
    written = write_whole(DurableFile::create(wanted->output + ".manifest.json", others_may_read, refuse),
                          ledger::manifest_text(manifest));
  if (!written) return std::unexpected(std::move(written.error()));
  session.note("usage of " + counted(usage.resources(), "resource") + " in " + wanted->output + left_out_text(left_out) +
               (others_may_read ? "" : "; with persons: it is for you alone"));
  return ExitStatus::done;
}

}  // namespace hansa::cli
