// SPDX-License-Identifier: Apache-2.0
// `hansa ledger`: what is checked here before anything is believed.
#include "broker/core/digest.hpp"
#include "broker/core/encoding.hpp"
#include "broker/core/time_text.hpp"
#include "broker/ledger/report_manifest.hpp"
#include "tests/unit/cli/call_under_test.hpp"
#include "tests/unit/ledger/sample_ledger.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <functional>
#include <iterator>

namespace hansa::cli {
namespace {

using ledger::test::kFirst;
using ledger::test::kSecond;
using ledger::test::kWitness;
using ledger::test::Sample;
using ledger::test::sample_ledger;

void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string checkpoint_of(const Sample& sample, bool cosigned = false) {
  return reply(200, Json{{"size", sample.size()}, {"note", sample.checkpoint(cosigned).str()}}.dump());
}
std::string ledger_of(const Sample& sample) {
  Json keys = Json::array();
  for (std::size_t i = 0; i < sample.records.size(); ++i) {
    const auto record = Json::parse(sample.records[i]);
    if (record["kind"] == "key") keys.push_back({{"key", record["key"]}, {"record", i}});
  }
  return reply(200,
               Json{{"origin", "hansa/sample"},
                    {"size", sample.size()},
                    {"keys", keys},
                    {"witnesses", {{{"name", kWitness.name}, {"key", kWitness.verifier(ledger::KeyUse::cosignature).text()}}}}}
                   .dump());
}
std::string records_of(const Sample& sample, std::size_t from, std::size_t count, bool personal) {
  Json list = Json::array();
  for (auto i = from; i < std::min(from + count, sample.records.size()); ++i) {
    Json entry{{"record", sample.records[i]}};
    const auto person = sample.persons.find(i);
    if (personal && sample.records[i].contains("\"kind\":\"usage\""))
      entry["personal"] = person == sample.persons.end() ? "-" : ledger::personal_line(person->second);
    if (const auto close = sample.closes.find(i); close != sample.closes.end()) entry["rests_on"] = close->second;
    list.push_back(entry);
  }
  return reply(200, Json{{"records", list}}.dump());
}

/// What the broker's report says of the sample, in figures that `change` has seen.
std::string report_of(const Sample& sample, const std::vector<std::string>& by, bool energy,
                      const std::function<void(Json&)>& change = {}) {
  std::map<std::vector<std::string>, Json> rows;
  for (const auto& text : sample.records) {
    const auto record = Json::parse(text);
    if (!record.contains("runs")) continue;
    std::vector<std::string> key;
    for (const auto& name : by)
      key.push_back(name == "day" ? format_utc(from_unix_seconds(record["ended_s"])).substr(0, 10) : std::string(record[name]));
    auto& row = rows[key];
    for (std::size_t i = 0; i < by.size(); ++i) row[by[i]] = key[i];
    const auto add = [&row](const char* name, std::int64_t amount) { row[name] = row.value(name, std::int64_t{0}) + amount; };
    for (const auto* name : {"runs", "elapsed_s", "core_seconds", "gpu_seconds", "node_seconds"}) {
      if (!energy) add(name, record[name]);
    }
    for (const auto* name : {"measured_j", "shared_j", "estimated_j"}) {
      if (energy) add(name, name == std::string("measured_j") ? record.value("energy_j", std::int64_t{0}) : 0);
    }
  }
  Json list = Json::array();
  for (const auto& [key, row] : rows) list.push_back(row);
  if (change) change(list);
  return reply(200, Json{{"ledger", {{"size", sample.size()}}}, {"rows", list}}.dump());
}

/// A stored tree, for proofs.
struct Proofs {
  std::vector<ledger::Hash> hashes;
  explicit Proofs(const Sample& sample) {
    ledger::Peaks peaks;
    for (const auto& record : sample.records)
      peaks.add(ledger::leaf_hash(record), [&](const auto& hash) { hashes.push_back(hash); });
  }
  [[nodiscard]] ledger::ReadHash reader() const {
    return [this](std::int64_t place) { return hashes.at(static_cast<std::size_t>(place)); };
  }
};
Json path_json(const std::vector<ledger::Hash>& path) {
  Json list = Json::array();
  for (const auto& hash : path) list.push_back(ledger::base64_of(hash));
  return list;
}
std::string growth(const Sample& sample, std::int64_t from) {
  return reply(200, Json{{"path", path_json(ledger::consistency_proof(from, sample.size(), Proofs(sample).reader()))}}.dump());
}
std::string proof(const Sample& sample, std::int64_t seq, const std::string& record) {
  return reply(200, Json{{"checkpoint", sample.checkpoint(false).str()},
                         {"proofs",
                          {{{"record", record},
                            {"seq", seq},
                            {"path", path_json(ledger::inclusion_proof(seq, sample.size(), Proofs(sample).reader()))}}}}}
                        .dump());
}

}  // namespace

TEST_CASE("ledger verify checks a file without a broker", "[ledger][T17]") {
  const tests::TemporaryFolder folder;
  const auto path = (folder.path / "ledger.txt").string();
  const auto sample = sample_ledger(120);
  const auto text = ledger::test::joined(sample.lines());
  write(path, text);
  const auto key = kSecond.verifier().text();
  Call call;
  CHECK(call.run({"ledger", "verify", "--key", key.c_str(), path.c_str()}) == 0);
  CHECK(call.out.starts_with("hansa/sample: 120 records, whole and signed; root "));
  CHECK(call.out.contains("witnessed by auditor.example at 2026-05-28T"));
  CHECK(call.out.contains("ai-lab"));
  CHECK(call.err.empty());
  Call json;
  CHECK(json.run({"ledger", "verify", "--json", path.c_str()}) == 0);
  CHECK(Json::parse(json.out)["sums"].size() == 4);
  CHECK(json.err.contains("compare it with the one you were given"));
  auto altered = text;
  altered[text.size() / 2] ^= 1;
  write(path, altered);
  Call found;
  CHECK(found.run({"ledger", "verify", path.c_str()}) == 1);
  CHECK(found.out.empty());
  CHECK(found.err.contains("line "));
  write(path, text);
  const auto other = ledger::Signer{.name = "hansa/sample", .seed = Secret(std::string(32, 'x'))}.verifier().text();
  CHECK(Call().run({"ledger", "verify", "--key", other.c_str(), path.c_str()}) == 1);
  CHECK(Call().run({"ledger", "verify", "--key", "no key", path.c_str()}) == 2);
  CHECK(Call().run({"ledger", "verify", (path + ".none").c_str()}) == 3);
}

TEST_CASE("ledger verify holds a report against its manifest and an export", "[ledger]") {
  const tests::TemporaryFolder folder;
  const auto path = (folder.path / "usage.csv").string(), manifest_path = path + ".manifest.json";
  const auto ledger = (folder.path / "ledger.txt").string();
  const auto sample = sample_ledger(120);
  write(ledger, ledger::test::joined(sample.lines()));
  ledger::ExportCheck counted({});
  REQUIRE(counted.take(text_of(ledger)));
  const auto facts = counted.finish().value();
  std::string csv =
      "project,site,runs,elapsed_hours,elapsed_s,core_hours,core_seconds,gpu_hours,gpu_seconds,node_hours,node_seconds\r\n";
  for (const auto& [of, sum] : facts.sums) {
    if (sum.amounts == ledger::Amounts{}) continue;
    csv += of.first + "," + of.second + "," + std::to_string(sum.amounts.runs);
    for (const auto amount : {sum.amounts.elapsed_s, sum.amounts.core_seconds, sum.amounts.gpu_seconds, sum.amounts.node_seconds})
      csv += ",0.000," + std::to_string(amount);
    csv += "\r\n";
  }
  std::string report = "usage";
  std::optional<ledger::Signer> signer = sample.key;
  const auto keep = [&](const std::string& text, std::vector<std::string> by) {
    write(path, text);
    ledger::ReportManifest manifest{.report = report,
                                    .file_format = "csv",
                                    .by = std::move(by),
                                    .query = "by=project,site",
                                    .at_s = 1,
                                    .checkpoint = sample.checkpoint(true).str(),
                                    .rows = 4,
                                    .bytes = static_cast<std::int64_t>(text.size()),
                                    .sha256 = sha256_hex(text),
                                    .grade = {}};
    if (signer) manifest.signature = manifest_signature(ledger::sign_note(*signer, text_to_sign(manifest)));
    write(manifest_path, manifest_text(manifest));
  };
  keep(csv, {"project", "site"});
  const auto key = kSecond.verifier().text(), first = kFirst.verifier().text();
  Call alone;
  CHECK(alone.run({"ledger", "verify", "--report", path.c_str(), "--key", key.c_str()}) == 0);
  CHECK(alone.out.contains("which the ledger's key signed; the figures were not counted again: give the export, too"));
  Call alone_json;
  CHECK(alone_json.run({"ledger", "verify", "--json", "--report", path.c_str(), "--key", key.c_str()}) == 0);
  CHECK(Json::parse(alone_json.out)["verified"] == false);
  CHECK(Json::parse(alone_json.out)["vouched"] == true);
  CHECK(Call().run({"ledger", "verify", "--report", path.c_str(), "--key", first.c_str()}) == 1);
  Call whole;
  CHECK(whole.run({"ledger", "verify", "--report", path.c_str(), ledger.c_str()}) == 0);
  CHECK(whole.out.contains("its sums are those of the records"));
  keep(csv, {"person", "site"});  // nothing of persons is in the export
  Call uncounted;
  CHECK(uncounted.run({"ledger", "verify", "--report", path.c_str(), ledger.c_str()}) == 0);  // they are the broker's word
  CHECK(uncounted.out.contains(
      "which the ledger's key signed; the figures were not counted again: no export has what they are of"));
  for (const auto& forger : {std::optional<ledger::Signer>(), std::optional(kWitness)}) {
    signer = forger;
    keep(csv, {"person", "site"});
    Call forged;
    CHECK(forged.run({"ledger", "verify", "--report", path.c_str(), ledger.c_str()}) == 1);
    CHECK(forged.err.contains("no key of the ledger signed the manifest"));
    CHECK(forged.err.contains("make the report anew") == !forger.has_value());
    CHECK(Call().run({"ledger", "verify", "--report", path.c_str(), "--key", key.c_str()}) == 1);
  }
  report = "apel-summary";  // which whoever asks makes, and nobody signs
  signer.reset();
  keep(csv, {});
  CHECK(Call().run({"ledger", "verify", "--report", path.c_str(), "--key", key.c_str()}) == 0);
  CHECK(Call().run({"ledger", "verify", "--report", path.c_str(), ledger.c_str()}) == 1);
  report = "usage";
  signer = sample.key;
  // A file that says something else, with a manifest that fits it.
  auto lying = csv;
  lying.replace(lying.rfind("\r\n") - 1, 1, lying[lying.rfind("\r\n") - 1] == '1' ? "2" : "1");
  keep(lying, {"project", "site"});
  Call found;
  CHECK(found.run({"ledger", "verify", "--report", path.c_str(), ledger.c_str()}) == 1);
  CHECK(found.err.contains("the report's sums are not those"));
  keep(csv, {"project", "site"});
  write(path, lying);
  CHECK(Call().run({"ledger", "verify", "--report", path.c_str()}) == 1);
  write(path, csv);
  const auto manifest = text_of(manifest_path);
  for (std::size_t i = 0; i < manifest.size(); i += 7) {  // of at and query nothing is known but that the checkpoint is theirs
    auto other = manifest;
    other[i] ^= 1;
    write(manifest_path, other);
    if (ledger::parse_manifest(other)) continue;
    CHECK(Call().run({"ledger", "verify", "--report", path.c_str(), ledger.c_str()}) == 1);
  }
}

TEST_CASE("a report is asked for within the projects and sites that are named", "[ledger]") {
  Call call;
  ScriptedServer server({reply(200, "project,runs\r\nai-lab,1\r\n", "Hansa-Report-Rows: 1\r\n")});
  CHECK(call.run(server, {"report", "usage", "--project", "ai-lab,climate", "--site", "alpha", "--site", "beta", "--format",
                          "csv"}) == 0);
  CHECK(line_of(server.requests()[0]) ==
        "GET /v1/reports/usage?project=ai-lab%2Cclimate&site=alpha&site=beta&format=csv HTTP/1.1");
  CHECK(Call().run({"report", "clearing", "--project", "ai-lab"}) == 2);
  CHECK(Call().run({"report", "period", "--site", "alpha"}) == 2);
}

TEST_CASE("a report is written with what it is of beside it", "[ledger]") {
  const tests::TemporaryFolder folder;
  const auto path = (folder.path / "usage.csv").string();
  const std::string csv = "project,runs\r\nai-lab,1\r\n";
  const auto manifest = ledger::manifest_text({.report = "usage",
                                               .file_format = "csv",
                                               .by = {"project"},
                                               .query = "by=project",
                                               .checkpoint = "note",
                                               .rows = 1,
                                               .bytes = static_cast<std::int64_t>(csv.size()),
                                               .sha256 = sha256_hex(csv),
                                               .grade = {}});
  const auto answer = [&](const std::string& body) {
    return reply(200, body, "Hansa-Report-Rows: 1\r\nHansa-Report-Manifest: " + to_base64(manifest) + "\r\n");
  };
  Call call;
  ScriptedServer server({answer(csv)});
  CHECK(call.run(server, {"report", "usage", "--by", "project", "--format", "csv", "--output", path.c_str()}) == 0);
  CHECK(line_of(server.requests()[0]) == "GET /v1/reports/usage?by=project&format=csv&manifest=true HTTP/1.1");
  CHECK(text_of(path) == csv);
  CHECK(text_of(path + ".manifest.json") == manifest);
  CHECK(Call().run(ScriptedServer({answer(csv)}), {"report", "usage", "--output", path.c_str()}) == 8);  // it is there already
  const auto other = (folder.path / "other.csv").string();
  CHECK(Call().run(ScriptedServer({answer(csv + "more")}), {"report", "usage", "--output", other.c_str()}) != 0);
  CHECK(text_of(other).empty());
  Call table;
  CHECK(table.run(ScriptedServer({answer("PROJECT\nx\x1b[2J\n")}), {"report", "usage"}) == 0);
  CHECK(table.out == "PROJECT\nx\\x1b[2J\n");
}

TEST_CASE("ledger export writes what verifies, and nothing else", "[ledger]") {
  const tests::TemporaryFolder folder;
  const auto path = (folder.path / "out.txt").string();
  const auto sample = sample_ledger(30);
  Call call;
  ScriptedServer server(
      {checkpoint_of(sample, true), ledger_of(sample), records_of(sample, 0, 20, true), records_of(sample, 20, 20, true)});
  CHECK(call.run(server, {"ledger", "export", "--personal", "--output", path.c_str()}) == 0);
  CHECK(text_of(path) == ledger::test::joined(sample.lines()));
  CHECK(line_of(server.requests()[3]) == "GET /v1/ledger/records?from=20&personal=true HTTP/1.1");
  Call again;
  CHECK(again.run({"ledger", "export", "--output", path.c_str()}) == 8);  // nothing is overwritten
  const auto other = path + ".2";
  auto lying = sample;
  lying.records[5] = lying.records[7];
  Call refused;
  CHECK(refused.run(ScriptedServer({checkpoint_of(sample), ledger_of(sample), records_of(lying, 0, 100, false)}),
                    {"ledger", "export", "--output", other.c_str()}) != 0);
  CHECK(text_of(other).empty());
  Call short_of;
  CHECK(short_of.run(ScriptedServer({checkpoint_of(sample), ledger_of(sample), records_of(sample, 0, 10, false),
                                     reply(200, R"({"records":[]})")}),
                     {"ledger", "verify"}) != 0);
}

TEST_CASE("ledger verify holds the broker's reports against its records by day and in energy", "[ledger]") {
  auto sample = sample_ledger(30);
  (void)sample.add_run(901, 5, 0, {}, [](ledger::UsageEntry& run) {
    run.energy_j = 36'000;
    run.context.energy_scope = "exclusive";
  });
  (void)sample.add_run(902, 5, 0, {}, [](ledger::UsageEntry& run) { run.ended_s += 86'400; });
  const auto read = [](const Sample& of) { return std::vector{checkpoint_of(of), ledger_of(of), records_of(of, 0, 100, false)}; };
  const std::vector<std::string> whole{"project", "site"}, daily{"day", "site"};
  const auto run = [](std::vector<std::string> replies) {
    Call call;
    ScriptedServer server(std::move(replies));
    const auto status = call.run(server, {"ledger", "verify"});
    return std::pair(status, call.err);
  };
  const auto with = [](std::vector<std::string> first, const std::vector<std::string>& more) {
    first.insert(first.end(), more.begin(), more.end());
    return first;
  };
  CHECK(
      run(with(read(sample), {report_of(sample, whole, false), report_of(sample, daily, false), report_of(sample, daily, true)}))
          .first == 0);
  const auto moved = [](Json& rows) {  // from one day into another: the sum is the same
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i]["site"] == "beta") rows[i]["core_seconds"] = rows[i]["core_seconds"].get<std::int64_t>() + (i < 2 ? 8 : -8);
    }
  };
  const auto other_day = run(with(read(sample), {report_of(sample, whole, false), report_of(sample, daily, false, moved)}));
  CHECK(other_day.first == 1);
  CHECK(other_day.second.contains("usage report by day,site"));
  const auto other_energy = run(with(read(sample), {report_of(sample, whole, false), report_of(sample, daily, false),
                                                    report_of(sample, daily, true, [](Json& rows) { rows.clear(); })}));
  CHECK(other_energy.first == 1);
  CHECK(other_energy.second.contains("energy report"));
  // What is booked meanwhile: it is read once more, and does not pass unseen.
  auto grown = sample;
  (void)grown.add_run(903, 5);
  CHECK(run(with(with(read(sample), {report_of(grown, whole, false)}),
                 with(read(grown),
                      {report_of(grown, whole, false), report_of(grown, daily, false), report_of(grown, daily, true)})))
            .first == 0);
  const auto never =
      run(with(with(read(sample), {report_of(grown, whole, false)}), with(read(sample), {report_of(grown, whole, false)})));
  CHECK(never.first == 8);
  CHECK(never.second.contains("were not compared"));
}

TEST_CASE("ledger prove believes no proof that shows nothing", "[ledger]") {
  const auto sample = sample_ledger(30);
  Call call;
  ScriptedServer server({proof(sample, 4, sample.records[4])});
  CHECK(call.run(server, {"ledger", "prove", "4"}) == 0);
  CHECK(line_of(server.requests()[0]) == "GET /v1/ledger/proof?record=4 HTTP/1.1");
  CHECK(call.out.contains("is record 4 of 30"));
  CHECK(Call().run(ScriptedServer({proof(sample, 4, sample.records[5])}), {"ledger", "prove", "4"}) == 8);
  ScriptedServer by_job({proof(sample, 4, sample.records[4])});
  CHECK(Call().run(by_job, {"ledger", "prove", kId}) == 0);
  CHECK(line_of(by_job.requests()[0]).starts_with("GET /v1/ledger/proof?job=" + std::string(kId)));
}

TEST_CASE("a witness vouches for what has grown, and for nothing else", "[ledger][T18]") {
  const tests::TemporaryFolder folder;
  const auto dir = (folder.path / "witness").string();
  const auto key = kFirst.verifier().text();
  const auto kept = reply(200, R"({"status":"kept"})");
  CHECK(Call().run({"ledger", "witness", "--dir", dir.c_str(), "--key-only"}) == 2);  // a new one says who it is
  Call own;
  CHECK(own.run({"ledger", "witness", "--dir", dir.c_str(), "--name", "auditor.example", "--key-only"}) == 0);
  CHECK(own.out.starts_with("auditor.example+"));
  const auto public_key = ledger::parse_verifier(own.out.substr(0, own.out.size() - 1)).value();
  const auto run = [&](std::vector<std::string> replies, std::vector<const char*> more = {}) {
    Call call;
    std::vector<const char*> arguments{"ledger", "witness", "--dir", dir.c_str()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    ScriptedServer server(std::move(replies));
    const auto status = call.run(server, arguments);
    return std::tuple(status, call.err, server.requests().empty() ? std::string() : server.requests().back());
  };
  const auto twenty = sample_ledger(20), thirty = sample_ledger(30);
  CHECK(std::get<0>(run({checkpoint_of(twenty)})) == 2);  // whose ledger?
  const auto [first, ignored, told] = run({checkpoint_of(twenty), kept}, {"--key", key.c_str()});
  REQUIRE(first == 0);
  const auto body = Json::parse(body_of(told));
  const auto signature = ledger::parse_signature(body["cosignature"].get<std::string>()).value();
  CHECK(ledger::is_valid(signature, public_key, body["checkpoint"].get<std::string>()));
  CHECK(std::get<0>(run({checkpoint_of(twenty), kept})) == 0);  // no news
  CHECK(std::get<0>(run({checkpoint_of(thirty), growth(thirty, 20), kept})) == 0);

  const auto [back, why_back, asked] = run({checkpoint_of(twenty)});
  CHECK(back == 1);
  CHECK(why_back.contains("an older database was put back"));
  CHECK_FALSE(asked.contains("cosignature"));
  auto other = thirty;
  other.records[7] = other.records[8];
  const auto [split, why_split, ignored2] = run({checkpoint_of(other)});
  CHECK(split == 1);
  CHECK(why_split.contains("two histories of 30 records"));
  auto longer = other;
  (void)longer.add_run(900, 5);
  const auto [rewritten, why, ignored3] = run({checkpoint_of(longer), growth(longer, 30)});
  CHECK(rewritten == 1);
  CHECK(why.contains("do not begin with the 30"));
  auto forged = thirty;
  (void)forged.add_run(900, 5);
  forged.key = kSecond;  // signed by somebody else
  CHECK(std::get<0>(run({checkpoint_of(forged), growth(forged, 30), ledger_of(thirty)})) == 1);
  CHECK(std::get<0>(run({checkpoint_of(thirty), kept})) == 0);  // and the true one still
}

TEST_CASE("a witness follows a change of keys that the old key signed", "[ledger]") {
  const tests::TemporaryFolder folder;
  const auto dir = (folder.path / "w").string();
  const auto key = kFirst.verifier().text();
  const auto kept = reply(200, R"({"status":"kept"})");
  const auto before = sample_ledger(20);
  auto after = before;
  after.add_key(kSecond);
  Call first;
  REQUIRE(first.run(ScriptedServer({checkpoint_of(before), kept}),
                    {"ledger", "witness", "--dir", dir.c_str(), "--name", "w.example", "--key", key.c_str()}) == 0);
  auto stolen = before;
  stolen.add(ledger::record_text(20, ledger::Kind::key, 0,
                                 {{"key", kSecond.verifier().text()}, {"signature", to_base64(std::string(64, 'x'))}})
                 .value());
  stolen.key = kSecond;
  Call refused;
  CHECK(refused.run(
            ScriptedServer({checkpoint_of(stolen), growth(stolen, 20), ledger_of(stolen), proof(stolen, 20, stolen.records[20])}),
            {"ledger", "witness", "--dir", dir.c_str()}) == 1);
  CHECK(refused.err.contains("did not name the new one"));
  Call follows;
  CHECK(follows.run(ScriptedServer(
                        {checkpoint_of(after), growth(after, 20), ledger_of(after), proof(after, 20, after.records[20]), kept}),
                    {"ledger", "witness", "--dir", dir.c_str()}) == 0);
  CHECK(text_of(dir + "/seen").starts_with(kSecond.verifier().text() + "\n"));
}

TEST_CASE("a witness believes a change of keys that lies in the tree it looks at", "[ledger]") {
  const tests::TemporaryFolder folder;
  const auto dir = (folder.path / "w").string();
  const auto key = kFirst.verifier().text();
  const auto kept = reply(200, R"({"status":"kept"})");
  const auto before = sample_ledger(20);
  auto after = before;
  after.add_key(kSecond);
  REQUIRE(Call().run(ScriptedServer({checkpoint_of(before), kept}),
                     {"ledger", "witness", "--dir", dir.c_str(), "--name", "w.example", "--key", key.c_str()}) == 0);
  auto hidden = before;  // the new key signs a tree that does not name it; the record that does is shown in another tree
  (void)hidden.add_run(900, 5);
  hidden.key = kSecond;
  Call refused;
  CHECK(refused.run(
            ScriptedServer({checkpoint_of(hidden), growth(hidden, 20), ledger_of(after), proof(after, 20, after.records[20])}),
            {"ledger", "witness", "--dir", dir.c_str()}) == 1);
  CHECK(refused.err.contains("two histories of 21 records"));
  auto longer = after;
  (void)longer.add_run(901, 5);
  Call split;
  CHECK(split.run(ScriptedServer({checkpoint_of(hidden), growth(hidden, 20), ledger_of(longer),
                                  proof(longer, 20, longer.records[20]), growth(longer, 21)}),
                  {"ledger", "witness", "--dir", dir.c_str()}) == 1);
  CHECK(split.err.contains("do not begin with the 21"));
  Call grown;  // records were booked between its questions
  CHECK(grown.run(ScriptedServer({checkpoint_of(after), growth(after, 20), ledger_of(longer),
                                  proof(longer, 20, longer.records[20]), growth(longer, 21), kept}),
                  {"ledger", "witness", "--dir", dir.c_str()}) == 0);
}

}  // namespace hansa::cli
