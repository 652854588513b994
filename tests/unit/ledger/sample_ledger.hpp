// SPDX-License-Identifier: Apache-2.0
#pragma once
// A ledger as a broker would export it: runs of two projects at two sites, corrections among them, a change of keys, a summary, a
// witness. Always the same bytes.

#include "broker/core/digest.hpp"
#include "broker/core/encoding.hpp"
#include "broker/ledger/export_check.hpp"

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hansa::ledger::test {

inline const Signer kFirst{.name = "hansa/sample", .seed = Secret(std::string(32, 'a'))};
inline const Signer kSecond{.name = "hansa/sample", .seed = Secret(std::string(32, 'b'))};
inline const Signer kWitness{.name = "auditor.example", .seed = Secret(std::string(32, 'w'))};

inline constexpr std::int64_t kClosedAt = 1'780'000'000;
inline constexpr std::int64_t kGlassUntil = 1'780'003'600;

/// What a month's close rests on: the site was looked at twice, a day apart, all of the month, others' runs among it.
inline SiteThen settled_site(const std::string& site, const std::string& period, std::int64_t closed_at = kClosedAt) {
  const auto span = span_of(period).value();
  SiteThen then{.site = site, .reconciliations = {}, .explained_at_s = {}};
  for (const std::int64_t before : {10, 90'000}) {
    then.reconciliations.push_back({.id = "01JDA0XJ2GQ4M8T6V9ZK3N" + std::to_string(before),
                                    .from_s = span.from_s,
                                    .to_s = span.to_s,
                                    .at_s = closed_at - before,
                                    .matched = 3,
                                    .differences = 1,
                                    .unexplained = 0,
                                    .others = 7});
  }
  return then;
}

struct Sample {
  std::vector<std::string> records;
  std::map<std::size_t, Personal> persons;  // by record
  std::map<std::size_t, std::string> closes;  // what they rest on, by record
  Signer key = kFirst;
  int cosignatures = 1;  // of the one witness, at so many times

  void add(std::string text) { records.push_back(std::move(text)); }
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(records.size()); }

  void add_key(const Signer& next) {
    Json fields{{"key", next.verifier().text()}};
    if (!records.empty()) fields["signature"] = to_base64(sign(key.seed, key_change_text("hansa/sample", next.verifier())));
    add(record_text(size(), Kind::key, 1'780'000'000, fields).value());
    key = next;
  }
  UsageEntry add_run(std::int64_t number, std::int64_t elapsed, std::int64_t revision = 0, JobId job = {},
                     const std::function<void(UsageEntry&)>& change = {}) {
    Personal person{.salt = std::string(16, static_cast<char>(number)),
                    .owner = "local:user" + std::to_string(number % 7),
                    .account = "u" + std::to_string(number % 7),
                    .source_line = std::to_string(number) + "|COMPLETED|\"raw\"\xff"};
    person.pseudonym = pseudonym_of(person.owner, std::string(32, 'k'));
    UsageEntry run{.seq = size(),
                   .at_s = 1'780'000'000 + number,
                   .job = job,
                   .attempt = 1,
                   .revision = revision,
                   .site = number % 3 == 0 ? "alpha" : "beta",
                   .country = "FI",
                   .cluster = "c",
                   .site_job_id = std::to_string(number),
                   .submitted_s = 1'780'000'000 + number,
                   .ended_s = 1'780'000'010 + number + elapsed,
                   .site_state = number % 11 == 0 ? "CANCELLED by \"ä\"" : "COMPLETED",
                   .project = number % 2 == 0 ? "ai-lab" : "climate",
                   .queue = "batch",
                   .scheduler_account = "proj1",
                   .nodes = 1,
                   .cores = 8,
                   .amounts = {1, elapsed, elapsed * 8, 0, elapsed}};
    if (number % 5 != 0) run.started_s = 1'780'000'010 + number;
    if (number % 4 != 0) run.exit_code = 0;
    run.personal = commitment(person.salt, personal_text(person));
    if (change) change(run);
    persons.emplace(records.size(), std::move(person));
    add(record_text(run));
    return run;
  }
  /// What few runs have: energy, a context, something added by hand, a month that is closed; and a day's decisions.
  void add_others() {
    const auto in_april = [](UsageEntry& run) {
      run.ended_s -= 60 * 86'400;
      run.energy_j = 36'000;
      run.context = {.home = "csc",
                     .home_country = "FI",
                     .funding_body = "EuroHPC JU",
                     .call = "EHPC-2026R01",
                     .centre = "csc",
                     .allocation = "01JDA0XJ2GQ4M8T6V9ZK3N5R7W",
                     .label = "personal",
                     .resource = "cpu",
                     .energy_method = "ipmi",
                     .energy_scope = "exclusive",
                     .carbon_source = "stated",
                     .pue_milli = 1'100,
                     .carbon_mg_per_kwh = 50'000};
    };
    const auto run = add_run(1'000'001, 100, 0, {}, in_april);
    adjust(run, {0, -10, -80, 0, -10});
    close_month(period_of(run.ended_s), {1, 90, 720, 0, 90});
    adjust(run, {0, 10, 80, 0, 10}, period_of(run.ended_s));
    take_back(run, period_of(run.ended_s));
    add_run(1'000'001, 90, 1, {}, [&](UsageEntry& again) {
      in_april(again);
      again.original_period = period_of(run.ended_s);
    });
    add(record_text(size(), Kind::decision, 1'780'000'000,
                    {{"decisions", 3}, {"first", 1}, {"last", 3}, {"sha256", std::string(64, 'd')}})
            .value());
  }
  /// As a broker does: opened, summed up, closed.
  void close_month(const std::string& period, Amounts sum, bool kept = true) {
    add(record_text(size(), Kind::period_open, 1'780'000'000, {{"period", period}}).value());
    add(record_text(size(), Kind::summary, 1'780'000'000,
                    {{"period", period},
                     {"runs", sum.runs},
                     {"elapsed_s", sum.elapsed_s},
                     {"core_seconds", sum.core_seconds},
                     {"gpu_seconds", sum.gpu_seconds},
                     {"node_seconds", sum.node_seconds}})
            .value());
    add_close(period, {settled_site("beta", period)}, "beta=B", kept);
  }
  void add_close(const std::string& period, const std::vector<SiteThen>& sites, const std::string& grades = "beta=B",
                 bool kept = true) {
    const auto text = close_text(sites);
    closes.emplace(records.size(), kept ? text : "-");
    Json fields{{"period", period}, {"sites", grades}, {"reconciliations", sha256_hex(text)}, {"apart_s", 86'400}};
    if (kept) fields["kept"] = 1;
    add(record_text(size(), Kind::period_close, kClosedAt, fields).value());
  }
  /// A step of the one break-glass that there is; "late": a use a second after its end.
  void add_glass(const std::string& event, std::int64_t until = kGlassUntil) {
    const bool late = event == "late";
    Json fields{{"id", "01JDA0XJ2GQ4M8T6V9ZK3N5R7W"}, {"event", late ? "used" : event}, {"personal", std::string(64, 'b')}};
    if (event == "approved") fields["until"] = until;
    add(record_text(size(), Kind::breakglass, late ? kGlassUntil + 1 : kGlassUntil - 3'600, fields).value());
  }
  void adjust(UsageEntry run, Amounts more, const std::string& original_period = "") {
    run.original_period = original_period;
    run.kind = Kind::adjustment;
    run.refers_to = run.seq;
    run.reason = "AGREED";
    run.personal.reset();
    run.energy_j.reset();
    run.amounts = more;
    run.seq = size();
    add(record_text(run));
  }
  /// Booked once more, after `run`'s month was closed, or as if it had been.
  void take_back(UsageEntry run, const std::string& original_period = "") {
    run.original_period = original_period;
    run.kind = Kind::reversal;
    run.refers_to = run.seq;
    run.reason = "CHANGED_BY_SITE";
    run.personal.reset();
    run.amounts = run.amounts.negated();
    if (run.energy_j) *run.energy_j = -*run.energy_j;
    run.seq = size();
    add(record_text(run));
  }

  [[nodiscard]] Note checkpoint(bool cosigned) const {
    Peaks tree;
    for (const auto& record : records) tree.add(leaf_hash(record));
    Note note{.text = Checkpoint{"hansa/sample", tree.size(), tree.root()}.text(), .signatures = {}};
    note.signatures.push_back(sign_note(key, note.text));
    for (int i = 0; cosigned && i < cosignatures; ++i)
      note.signatures.push_back(cosign(kWitness, note.text, from_unix_seconds(1'780'000'000 + i)));
    return note;
  }
  /// Lines with their newlines.
  [[nodiscard]] std::vector<std::string> lines(bool personal = true, bool cosigned = true) const {
    const std::vector<Verifier> witnesses(cosigned ? 1 : 0, kWitness.verifier(KeyUse::cosignature));
    std::vector<std::string> all{export_header(checkpoint(cosigned), witnesses, personal) + "\n"};
    for (std::size_t i = 0; i < records.size(); ++i) {
      all.push_back(records[i] + "\n");
      if (const auto close = closes.find(i); close != closes.end()) all.push_back(close->second + "\n");
      if (!personal || !records[i].contains("\"kind\":\"usage\"")) continue;
      const auto person = persons.find(i);
      all.push_back((person == persons.end() ? "-" : personal_line(person->second)) + "\n");
    }
    return all;
  }
};

inline Sample sample_ledger(std::int64_t size) {
  Sample sample;
  sample.add_key(kFirst);
  for (std::int64_t number = 1; sample.size() < size; ++number) {
    const auto run = sample.add_run(number, 100 + number);
    if (number % 100 == 7 && sample.size() + 2 <= size) {
      sample.take_back(run);
      sample.add_run(number, 90, 1);
    }
    // Whose agents say that it was theirs, too: a run of that job's own.
    if (number % 100 == 9 && sample.size() < size)
      sample.add_run(number, 80, 0, JobId::parse("01JDA0XJ2GQ4M8T6V9ZK3N5R7W").value());
    if (number == 50 && sample.size() < size) sample.add_key(kSecond);
    if (number == 55 && sample.size() + 9 <= size) sample.add_others();
    if (number == 60 && sample.size() < size) {  // its person was forgotten
      sample.persons.erase(sample.records.size() - 1);
      sample.add(record_text(sample.size(), Kind::tombstone, 0, {{"reason", "ERASURE"}, {"records", 1}}).value());
    }
  }
  return sample;
}

/// Whole and signed, and yet none that a broker may write: what is wrong, and the ledger.
inline std::vector<std::pair<std::string, Sample>> forgeries() {
  std::vector<std::pair<std::string, Sample>> all;
  const auto forge = [&](const std::string& what, const std::function<void(Sample&, UsageEntry)>& add) {
    auto sample = sample_ledger(20);
    const auto run = sample.add_run(901, 5);
    add(sample, run);
    all.emplace_back(what, std::move(sample));
  };
  const auto reversal = [&](const std::string& what, const std::function<void(UsageEntry&)>& change) {
    forge("a reversal of another " + what, [&](Sample& sample, UsageEntry run) {
      change(run);
      sample.take_back(run);
    });
  };
  reversal("project", [](UsageEntry& run) { run.project = "ai-lab"; });
  reversal("site", [](UsageEntry& run) { run.site = "alpha"; });
  reversal("cluster", [](UsageEntry& run) { run.cluster = "d"; });
  reversal("site job", [](UsageEntry& run) { run.site_job_id = "902"; });
  reversal("submission", [](UsageEntry& run) { ++run.submitted_s; });
  reversal("start", [](UsageEntry& run) { run.started_s.reset(); });
  reversal("end", [](UsageEntry& run) { run.ended_s += 40 * 86'400; });
  reversal("job", [](UsageEntry& run) { run.job = JobId::parse("01JDA0XJ2GQ4M8T6V9ZK3N5R7W").value(); });
  reversal("attempt", [](UsageEntry& run) { ++run.attempt; });
  reversal("country", [](UsageEntry& run) { run.country = "DE"; });
  const auto of_month = [&](const std::string& what, const std::function<void(Sample&, const std::string&)>& add) {
    Sample sample;
    sample.add_key(kFirst);
    const auto run = sample.add_run(1, 5);
    const auto month = period_of(run.ended_s);
    sample.close_month(month, run.amounts);
    add(sample, month);
    all.emplace_back("a month: " + what, std::move(sample));
  };
  of_month("opened twice", [](Sample& sample, const std::string& month) {
    sample.add(record_text(sample.size(), Kind::period_open, 0, {{"period", month}}).value());
  });
  of_month("closed twice",
           [](Sample& sample, const std::string& month) { sample.add_close(month, {settled_site("beta", month)}); });
  of_month("closed and never opened", [](Sample& sample, const std::string&) { sample.add_close("2026-01", {}); });
  of_month("closed without a summary", [](Sample& sample, const std::string&) {
    sample.add(record_text(sample.size(), Kind::period_open, 0, {{"period", "2026-01"}}).value());
    sample.add_close("2026-01", {});
  });
  const auto closed_on = [&](const std::string& what, const std::string& grades,
                             const std::function<void(std::vector<SiteThen>&)>& change) {
    Sample sample;
    sample.add_key(kFirst);
    const auto run = sample.add_run(1, 5);
    const auto month = period_of(run.ended_s - 40 * 86'400);
    sample.add(record_text(sample.size(), Kind::period_open, 0, {{"period", month}}).value());
    sample.add(
        record_text(
            sample.size(), Kind::summary, 0,
            {{"period", month}, {"runs", 0}, {"elapsed_s", 0}, {"core_seconds", 0}, {"gpu_seconds", 0}, {"node_seconds", 0}})
            .value());
    std::vector<SiteThen> sites{settled_site("beta", month)};
    change(sites);
    sample.add_close(month, sites, grades);
    all.emplace_back("a month that was closed on " + what, std::move(sample));
  };
  closed_on("one reconciliation", "beta=C", [](auto& sites) { sites[0].reconciliations.pop_back(); });
  closed_on("two of one day", "beta=B", [](auto& sites) { sites[0].reconciliations[1].at_s += 10'000; });
  closed_on("a part of it", "beta=B", [](auto& sites) { sites[0].reconciliations[0].to_s -= 1; });
  closed_on("what was not explained", "beta=B", [](auto& sites) { sites[0].reconciliations[0].unexplained = 1; });
  closed_on("a better grade than it has", "beta=B", [](auto& sites) { sites[0].reconciliations[0].others.reset(); });
  closed_on("an absurd time", "beta=B", [](auto& sites) { sites[0].reconciliations[0].at_s = INT64_MAX; });
  closed_on("the same site twice", "beta=B beta=B", [](auto& sites) { sites.push_back(sites[0]); });
  {
    Sample sample;
    sample.add_key(kFirst);
    const auto run = sample.add_run(1, 5);
    sample.close_month(period_of(run.ended_s), run.amounts);
    auto& text = sample.closes.begin()->second;
    text.replace(text.find("\"matched\":3"), 11, "\"matched\":4");
    all.emplace_back("a month that was closed on other figures", std::move(sample));
  }
  {
    Sample sample;
    sample.add_key(kFirst);
    const auto run = sample.add_run(1, 5);
    sample.close_month(period_of(run.ended_s), run.amounts);
    sample.closes.begin()->second = "-";
    all.emplace_back("a month that was closed on what is left out", std::move(sample));
  }
  of_month("closed on what is not kept, after one that is",
           [](Sample& sample, const std::string&) { sample.close_month("2026-01", {}, false); });
  {
    Sample sample;
    sample.add_key(kFirst);
    const auto run = sample.add_run(3, 5);  // at alpha
    sample.close_month(period_of(run.ended_s), run.amounts);
    all.emplace_back("a month that was closed without one of its sites", std::move(sample));
  }
  of_month("that is none", [](Sample& sample, const std::string&) {
    sample.add(record_text(sample.size(), Kind::period_open, 0, {{"period", "2026-13"}}).value());
  });
  of_month("booked into after its close", [](Sample& sample, const std::string&) { sample.add_run(2, 5); });
  of_month("corrected after its close", [](Sample& sample, const std::string&) {
    auto run = Sample().add_run(1, 5);
    run.seq = 1;
    sample.take_back(run);
  });
  of_month("another one's name on a correction", [](Sample& sample, const std::string&) {
    auto run = Sample().add_run(1, 5);
    run.seq = 1;
    sample.take_back(run, "2026-01");
  });
  const auto glass = [&](const std::string& what, const std::vector<std::string>& events) {
    forge("break-glass that is " + what, [&](Sample& sample, UsageEntry) {
      for (const auto& event : events) sample.add_glass(event);
    });
  };
  glass("approved and was not asked for", {"approved"});
  glass("asked for twice", {"requested", "requested"});
  glass("approved twice", {"requested", "approved", "approved"});
  glass("used and was not approved", {"requested", "used"});
  glass("used after its time", {"requested", "approved", "used", "late"});
  glass("used after its end", {"requested", "approved", "ended", "used"});
  glass("used after it was rejected", {"requested", "rejected", "used"});
  glass("rejected after it was approved", {"requested", "approved", "rejected"});
  glass("forgotten", {"requested", "forgotten"});
  for (const std::int64_t until : {INT64_MIN, std::int64_t{-1}, std::int64_t{253'402'300'800}, INT64_MAX}) {
    forge("break-glass that is approved until " + std::to_string(until), [&](Sample& sample, UsageEntry) {
      sample.add_glass("requested");
      sample.add_glass("approved", until);
    });
  }
  const auto adjustment = [&](const std::string& what, const std::function<void(UsageEntry&)>& change) {
    forge("an adjustment of another " + what, [&](Sample& sample, UsageEntry run) {
      change(run);
      sample.adjust(run, {0, 0, -8, 0, 0});
    });
  };
  adjustment("project", [](UsageEntry& run) { run.project = "ai-lab"; });
  adjustment("site", [](UsageEntry& run) { run.site = "alpha"; });
  const auto revision = [&](const std::string& what, const std::function<void(UsageEntry&)>& change) {
    forge("a revision of another " + what, [&](Sample& sample, UsageEntry run) {
      sample.take_back(run);
      const auto person = sample.persons.at(static_cast<std::size_t>(run.seq));
      run.seq = sample.size();
      run.revision = 1;
      change(run);
      sample.persons.emplace(sample.records.size(), person);
      sample.add(record_text(run));
    });
  };
  revision("number", [](UsageEntry& run) { run.revision = 2; });
  revision("job", [](UsageEntry& run) { run.job = JobId::parse("01JDA0XJ2GQ4M8T6V9ZK3N5R7W").value(); });
  revision("attempt", [](UsageEntry& run) { ++run.attempt; });
  revision("project", [](UsageEntry& run) { run.project = "ai-lab"; });
  revision("country", [](UsageEntry& run) { run.country = "DE"; });
  for (const std::size_t size : {0U, 15U, 17U}) {
    forge("a salt of " + std::to_string(size) + " bytes", [&](Sample& sample, UsageEntry run) {
      sample.take_back(run);
      auto person = sample.persons.at(static_cast<std::size_t>(run.seq));
      person.salt = std::string(size, 's');
      run.seq = sample.size();
      run.revision = 1;
      run.personal = commitment(person.salt, personal_text(person));
      sample.persons.emplace(sample.records.size(), person);
      sample.add(record_text(run));
    });
  }
  const auto run_of = [&](const std::string& what, const std::function<void(UsageEntry&)>& change) {
    forge("a run " + what, [&](Sample& sample, UsageEntry) { (void)sample.add_run(902, 5, 0, {}, change); });
  };
  run_of("that ended before 1970", [](UsageEntry& run) { run.ended_s = -1; });
  run_of("that ended after 9999", [](UsageEntry& run) { run.ended_s = 253'402'300'800; });
  run_of("that ended at the last of all numbers", [](UsageEntry& run) { run.ended_s = INT64_MAX; });
  forge("sums that no number holds", [](Sample& sample, UsageEntry) {
    for (const std::int64_t number : {902, 908})  // of the same project and site
      (void)sample.add_run(number, 5, 0, {}, [](UsageEntry& run) { run.amounts.core_seconds = INT64_MAX - 1'000; });
  });
  for (const std::string name : {"z-", "z ", "z.", "zZ", "z\xc3\xa4"}) {
    forge("a field of the name " + name, [&](Sample& sample, UsageEntry) {
      auto text = record_text(sample.size(), Kind::policy, 0, {{"sha256", "x"}}).value();
      text.insert(text.size() - 1, ",\"" + name + "\":1");
      sample.add(std::move(text));
    });
  }
  forge("more than 64 signatures", [](Sample& sample, UsageEntry) { sample.cosignatures = 64; });
  return all;
}

inline std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const auto& line : lines) all += line;
  return all;
}

inline Result<ExportCheck::Facts> checked(std::string_view text, ExportCheck::Wanted wanted = {}) {
  ExportCheck check(std::move(wanted));
  if (auto taken = check.take(text); !taken) return std::unexpected(taken.error());
  return check.finish();
}

}  // namespace hansa::ledger::test
