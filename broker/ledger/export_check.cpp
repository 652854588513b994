// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/export_check.hpp"

#include "broker/core/encoding.hpp"

#include <algorithm>
#include <cstring>

namespace hansa::ledger {
namespace {

constexpr std::size_t kLongestLine = std::size_t{4} << 20;
constexpr std::int64_t kLastSecond = 253'402'300'799;  // of the year 9999

// What names a run; what no revision of it changes; what reports group by and a reversal therefore repeats.
constexpr std::string_view kRun[] = {"job", "attempt", "site", "cluster", "site_job_id", "submitted_s", "started_s"};
constexpr std::string_view kClaim[] = {"project", "country", "home", "home_country", "funding_body", "call", "centre"};
constexpr std::string_view kPlace[] = {"project", "site"};
constexpr std::string_view kWhole[] = {"attempt",
                                       "cluster",
                                       "cores",
                                       "country",
                                       "ended_s",
                                       "exit_code",
                                       "gpus",
                                       "job",
                                       "nodes",
                                       "project",
                                       "queue",
                                       "revision",
                                       "site",
                                       "site_job_id",
                                       "site_state",
                                       "started_s",
                                       "submitted_s",
                                       "scheduler_account",
                                       "home",
                                       "home_country",
                                       "funding_body",
                                       "call",
                                       "centre",
                                       "allocation",
                                       "label",
                                       "resource",
                                       "energy_method",
                                       "energy_scope",
                                       "carbon_source",
                                       "pue_milli",
                                       "carbon_mg_per_kwh"};

Amounts amounts_of(const RecordFields& record) {
  const auto value = [&](std::string_view name) { return record.integer(name).value_or(0); };
  return {value("runs"), value("elapsed_s"), value("core_seconds"), value("gpu_seconds"), value("node_seconds")};
}

/// False: the sum does not fit.
bool add(Amounts& sum, const Amounts& more) {
  return !__builtin_add_overflow(sum.runs, more.runs, &sum.runs) &&
         !__builtin_add_overflow(sum.elapsed_s, more.elapsed_s, &sum.elapsed_s) &&
         !__builtin_add_overflow(sum.core_seconds, more.core_seconds, &sum.core_seconds) &&
         !__builtin_add_overflow(sum.gpu_seconds, more.gpu_seconds, &sum.gpu_seconds) &&
         !__builtin_add_overflow(sum.node_seconds, more.node_seconds, &sum.node_seconds);
}

bool is_nothing_negative(const Amounts& a) {
  return a.elapsed_s >= 0 && a.core_seconds >= 0 && a.gpu_seconds >= 0 && a.node_seconds >= 0;
}

}  // namespace

std::string export_header(const Note& checkpoint, const std::vector<Verifier>& witnesses, bool with_personal) {
  Json header{{"checkpoint", checkpoint.str()}, {"format", kExportFormat}, {"personal", with_personal}};
  auto& keys = header["witnesses"] = Json::array();
  for (const auto& witness : witnesses) keys.push_back(witness.text());
  return canonical_json(header);
}

std::string personal_line(const Personal& personal) {
  return hex_of(personal.salt) + " " + to_base64(personal.source_line) + " " + personal_text(personal);
}

std::unexpected<Error> ExportCheck::altered(const std::string& what) const {
  return fail(ErrorKind::conflict, "LEDGER_ALTERED", "line " + std::to_string(lines_) + ": " + what);
}

Result<void> ExportCheck::take(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const auto piece = bytes.substr(0, end);
    if (rest_.size() + piece.size() > kLongestLine) return altered("a line longer than any record");
    if (end == std::string_view::npos) {
      rest_ += piece;
      return {};
    }
    bytes.remove_prefix(end + 1);
    ++lines_;
    Result<void> taken;
    if (rest_.empty()) {
      taken = take_line(piece);
    } else {
      rest_ += piece;
      taken = take_line(rest_);
      rest_.clear();
    }
    if (!taken) return taken;
  }
  return {};
}

Result<void> ExportCheck::take_line(std::string_view line) {
  if (lines_ == 1) return take_header(line);
  if (expected_personal_) return take_personal(line);
  if (expected_close_) return take_close(line);
  return take_record(line);
}

Result<void> ExportCheck::take_header(std::string_view line) {
  const auto header = parse_json(line, 3);
  if (!header || !header->is_object() || canonical_json(*header) != line || header->size() != 4 ||
      header->value("format", Json()) != kExportFormat || !header->value("checkpoint", Json()).is_string() ||
      !header->value("personal", Json()).is_boolean() || !header->value("witnesses", Json()).is_array())
    return altered("not the head of a ledger's export of this format (" + std::string(kExportFormat) + ")");
  with_personal_ = (*header)["personal"].get<bool>();
  for (const auto& text : (*header)["witnesses"]) {
    auto witness = text.is_string() ? parse_verifier(text.get<std::string>())
                                    : Result<Verifier>(fail(ErrorKind::invalid_argument, "BAD_KEY", "no key"));
    if (!witness || witness->use != KeyUse::cosignature) return altered("a witness's key is none");
    witnesses_.push_back(std::move(*witness));
  }
  auto note = parse_note((*header)["checkpoint"].get<std::string>());
  if (!note) return altered(note.error().message);
  auto checkpoint = parse_checkpoint(note->text);
  if (!checkpoint) return altered(checkpoint.error().message);
  note_ = std::move(*note);
  facts_.checkpoint = std::move(*checkpoint);
  return {};
}

Result<void> ExportCheck::take_record(std::string_view line) {
  if (tree_.size() == facts_.checkpoint.size) return altered("more records than the checkpoint signs");
  if (auto parsed = fields_.parse(line); !parsed) return altered(parsed.error().message);
  const auto kind = kind_of(fields_.text("kind").value_or(""));
  if (!kind) return altered("a record of no known kind");
  if (const auto missing = fields_.missing_for(*kind); !missing.empty())
    return altered("a record of kind " + std::string(to_string(*kind)) + " without \"" + std::string(missing) + "\"");
  if (fields_.integer("seq") != tree_.size())
    return altered("record " + std::to_string(*fields_.integer("seq")) + " stands where " + std::to_string(tree_.size()) +
                   " belongs");
  Result<void> taken;
  if (has_amounts(*kind)) taken = take_amounts(*kind);
  if (taken && has_amounts(*kind) && wanted_.on_run) wanted_.on_run(fields_);
  if (*kind == Kind::key) taken = take_key();
  if (*kind == Kind::summary) taken = take_summary();
  if (*kind == Kind::decision) {
    facts_.decisions.push_back({.record = tree_.size(),
                                .first = *fields_.integer("first"),
                                .last = *fields_.integer("last"),
                                .decisions = *fields_.integer("decisions"),
                                .root = std::string(*fields_.text("sha256"))});
  }
  if (*kind == Kind::period_open || *kind == Kind::period_close) taken = take_period(*kind);
  if (*kind == Kind::tombstone) taken = take_tombstone();
  if (*kind == Kind::breakglass) taken = take_break_glass();
  if (!taken) return taken;
  if (with_personal_ && *kind == Kind::usage) expected_personal_ = std::string(*fields_.text("personal"));
  booked_.resize(static_cast<std::size_t>(tree_.size()) + 1);
  if (*kind == Kind::usage)
    booked_.back() = {.amounts = amounts_of(fields_),
                      .energy_j = fields_.integer("energy_j"),
                      .whole = digest_of(kWhole),
                      .place = number_of(kPlace)};
  summarised_ = *kind == Kind::summary ? std::string(*fields_.text("period")) : "";
  ++kinds_[static_cast<std::size_t>(*kind)];
  tree_.add(leaf_hash(line));
  if (tree_.size() == wanted_.also_of) facts_.also_root = tree_.root();
  return {};
}

std::size_t ExportCheck::FirstBytes::operator()(const Digest& digest) const {
  std::size_t first = 0;
  std::memcpy(&first, digest.data(), sizeof first);
  return first;
}

void ExportCheck::join(std::span<const std::string_view> fields) {
  joined_.clear();
  for (const auto field : fields) {
    if (const auto value = fields_.text(field))
      joined_.append(std::to_string(value->size())).append(":").append(*value);
    else if (const auto number = fields_.integer(field))
      joined_.append(std::to_string(*number));
    joined_ += ';';
  }
}

ExportCheck::Digest ExportCheck::digest_of(std::span<const std::string_view> fields) {
  join(fields);
  Digest digest;
  std::ranges::copy_n(sha256(joined_).begin(), digest.size(), digest.begin());
  return digest;
}

ExportCheck::Number ExportCheck::number_of(std::span<const std::string_view> fields) {
  join(fields);
  const auto known = numbers_.find(joined_);
  return known != numbers_.end() ? known->second : numbers_.emplace(joined_, static_cast<Number>(numbers_.size())).first->second;
}

Result<void> ExportCheck::take_amounts(Kind kind) {
  const auto amounts = amounts_of(fields_);
  if (const auto ended = *fields_.integer("ended_s"); ended < 0 || ended > kLastSecond)
    return altered("a run that ended at no time from 1970 to 9999");
  if (auto fits = check_month(); !fits) return fits;
  if (kind == Kind::usage && fields_.integer("energy_j").value_or(0) < 0) return altered("a run that used less than nothing");
  if (auto taken = kind == Kind::usage ? take_usage(amounts) : take_correction(kind, amounts); !taken) return taken;
  auto& sum = facts_.sums[{std::string(*fields_.text("project")), std::string(*fields_.text("site"))}];
  sum.corrections += kind == Kind::usage ? 0 : 1;
  auto& month = periods_[period_of(*fields_.integer("ended_s"))];
  if (const auto site = *fields_.text("site"); !month.sites.contains(site)) month.sites.emplace(site);
  if (!add(sum.amounts, amounts) || !add(month.sum, amounts)) return altered("a sum too large for any number");
  return {};
}

Result<void> ExportCheck::take_usage(const Amounts& amounts) {
  if (amounts.runs != 1 || !is_nothing_negative(amounts)) return altered("a run that used less than nothing");
  const Run now{.newest = tree_.size(), .revision = *fields_.integer("revision"), .claim = number_of(kClaim)};
  const auto [at, is_new] = runs_.try_emplace(digest_of(kRun), now);
  if (is_new != (now.revision == 0)) return altered("a run's first record is its only one of revision 0");
  if (is_new) return {};
  auto& before = at->second;
  if (!booked_[static_cast<std::size_t>(before.newest)].reversed) return altered("a run that is booked twice");
  if (before.revision + 1 != now.revision) return altered("a run's revisions are counted one by one");
  if (before.claim != now.claim) return altered("a revision that makes a run another project's or country's");
  before = now;
  return {};
}

Result<void> ExportCheck::take_correction(Kind kind, const Amounts& amounts) {
  const auto corrected = *fields_.integer("refers_to");
  if (corrected < 0 || corrected >= tree_.size() || booked_[static_cast<std::size_t>(corrected)].amounts.runs != 1)
    return altered("it corrects what is no usage record");
  auto& before = booked_[static_cast<std::size_t>(corrected)];
  if (kind == Kind::adjustment) {
    if (amounts.runs != 0) return altered("an adjustment counts no run");
    if (before.place != number_of(kPlace)) return altered("an adjustment is of the project and the site of what it corrects");
    return {};
  }
  const auto energy = fields_.integer("energy_j");
  if (before.reversed || amounts != before.amounts.negated() || energy.has_value() != before.energy_j.has_value() ||
      energy.value_or(0) != -before.energy_j.value_or(0))
    return altered("a reversal takes back what was booked, once");
  if (before.whole != digest_of(kWhole)) return altered("a reversal says of the run what the record said that it takes back");
  before.reversed = true;
  return {};
}

Result<void> ExportCheck::take_key() {
  auto key = parse_verifier(*fields_.text("key"));
  if (!key || key->use != KeyUse::note) return altered("no key that signs notes");
  if (!facts_.keys.empty()) {
    const auto signature = from_base64(fields_.text("signature").value_or(""));
    if (!signature || !is_signed_by(facts_.keys.back().key, key_change_text(facts_.checkpoint.origin, *key), *signature))
      return altered("the key before did not sign this one");
  }
  facts_.keys.push_back(std::move(*key));
  return {};
}

Result<void> ExportCheck::take_summary() {
  const auto at = periods_.find(std::string(*fields_.text("period")));
  if (amounts_of(fields_) != (at == periods_.end() ? Amounts{} : at->second.sum))
    return altered("the summary is not the sum of the records before it");
  return {};
}

/// What is booked into a closed month names it, and nothing else does.
Result<void> ExportCheck::check_month() const {
  const auto month = period_of(*fields_.integer("ended_s"));
  const auto named = fields_.text("original_period");
  const auto at = months_.find(month);
  const bool closed = at != months_.end() && at->second;
  if (closed ? named != month : named || fields_.integer("original_period"))
    return altered(closed ? "it is booked into " + month + ", which is closed, and does not say so"
                          : "it names an original_period that was not closed before it");
  return {};
}

Result<void> ExportCheck::take_period(Kind kind) {
  const std::string period(*fields_.text("period"));
  if (!span_of(period)) return altered("a period is a month, as 2026-11");
  const auto at = months_.find(period);
  if (kind == Kind::period_open) {
    if (at != months_.end()) return altered("a period is opened once");
    months_.emplace(period, false);
    return {};
  }
  if (at == months_.end() || at->second) return altered("a period is closed once, after it was opened");
  if (summarised_ != period) return altered("a period's close stands behind its summary");
  at->second = true;
  const bool kept = fields_.integer("kept") == 1;
  if (closes_are_kept_ && !kept) return altered("a close that does not keep what it rests on, after one that does");
  closes_are_kept_ = kept;
  expected_close_ = Close{.period = period,
                          .at_s = *fields_.integer("at"),
                          .sites = std::string(*fields_.text("sites")),
                          .reconciliations = std::string(*fields_.text("reconciliations")),
                          .apart_s = *fields_.integer("apart_s"),
                          .kept = kept};
  return {};
}

Result<void> ExportCheck::take_tombstone() {
  const auto records = *fields_.integer("records");
  if (records < 1 || records > kinds_[static_cast<std::size_t>(Kind::usage)] - facts_.buried)
    return altered("a tombstone of records that are not there");
  facts_.buried += records;
  return {};
}

/// Asked for, approved, used in its time, ended: in this order, each but a use once.
Result<void> ExportCheck::take_break_glass() {
  const std::string id(*fields_.text("id"));
  const auto event = *fields_.text("event");
  const auto at = glasses_.find(id);
  if (event == "requested") {
    if (at != glasses_.end()) return altered("break-glass is asked for once");
    glasses_.emplace(id, Glass{});
    return {};
  }
  if (at == glasses_.end() || at->second.over) return altered("break-glass that nobody asked for, or that is over");
  auto& [until, over] = at->second;
  if (event == "approved") {
    const auto end = fields_.integer("until");
    if (until || !end || *end < 0 || *end > kLastSecond)
      return altered("break-glass is approved once, until some time from 1970 to 9999");
    until = end;
  } else if (event == "used") {
    if (!until || *fields_.integer("at") > *until) return altered("break-glass is used after its approval and before its end");
  } else if (event == "ended" || (event == "rejected" && !until)) {
    over = true;
  } else {
    return altered("no step of a break-glass is called so");
  }
  return {};
}

Result<void> ExportCheck::take_personal(std::string_view line) {
  const auto expected = *std::exchange(expected_personal_, std::nullopt);
  if (line == "-") return ++facts_.erased, Result<void>{};
  const auto first = line.find(' ');
  const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return altered("no personal part");
  const auto text = line.substr(second + 1);
  std::string salt;
  const auto hex = line.substr(0, first);
  const auto nibble = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    if (nibble(hex[i]) < 0 || nibble(hex[i + 1]) < 0) return altered("a salt is hex");
    salt += static_cast<char>(nibble(hex[i]) * 16 + nibble(hex[i + 1]));
  }
  const auto source = from_base64(line.substr(first + 1, second - first - 1));
  RecordFields personal;
  if (salt.size() != 16 || hex.size() != 32) return altered("a salt is 16 bytes");
  if (!source || to_base64(*source) != line.substr(first + 1, second - first - 1) || !personal.parse(text) ||
      personal.text("source") != sha256_hex(*source))
    return altered("the source line is not the one that was booked");
  const auto hash = commitment(salt, text);
  if (hex_of(bytes_of(hash)) != expected) return altered("the personal part is not the one that was booked");
  ++facts_.personal_parts;
  return {};
}

Result<void> ExportCheck::take_close(std::string_view line) {
  const auto close = *std::exchange(expected_close_, std::nullopt);
  if (line == "-" && !close.kept) return ++facts_.closes_not_kept, Result<void>{};
  if (auto fits = check_close(close, line, periods_[close.period].sites); !fits) return altered(fits.error().message);
  return {};
}

Result<ExportCheck::Facts> ExportCheck::finish() {
  if (!rest_.empty() || lines_ == 0 || expected_personal_ || expected_close_)
    return altered("the file ends in the middle of a line or a record");
  if (tree_.size() != facts_.checkpoint.size) {
    return altered("the checkpoint signs " + std::to_string(facts_.checkpoint.size) + " records, the file has " +
                   std::to_string(tree_.size()));
  }
  if (tree_.root() != facts_.checkpoint.root) return altered("the records are not those that the checkpoint signs: another root");
  if (facts_.keys.empty()) return altered("no record names the ledger's key");
  if (with_personal_ && facts_.erased != facts_.buried) {
    return altered(std::to_string(facts_.erased) + " personal parts are not there, and tombstones tell of " +
                   std::to_string(facts_.buried) + "; if somebody was erased while this was exported, export it again");
  }
  std::vector<Signature> seen;
  bool is_signed = false;
  for (const auto& signature : note_.signatures) {
    const auto known = std::ranges::find_if(witnesses_, [&](const Verifier& key) { return names(signature, key); });
    const bool own = names(signature, facts_.keys.back());
    if (!own && known == witnesses_.end())
      return altered("the checkpoint is signed by " + signature.name + ", whose key nobody names");
    if (!is_valid(signature, own ? facts_.keys.back() : *known, note_.text))
      return altered("the signature of " + signature.name + " is not of this checkpoint");
    if (std::ranges::find(seen, signature) != seen.end()) return altered("the same signature twice");
    seen.push_back(signature);
    is_signed = is_signed || own;
    if (!own) facts_.cosignatures.push_back(signature);
  }
  if (!is_signed) return altered("the ledger's key did not sign the checkpoint");
  if (std::ranges::any_of(witnesses_, [&](const Verifier& key) {
        return std::ranges::none_of(facts_.cosignatures, [&](const Signature& by) { return names(by, key); });
      }))
    return altered("a witness is named that signed nothing");
  if (wanted_.key && std::ranges::find(facts_.keys, *wanted_.key) == facts_.keys.end())
    return altered("this is not the ledger of the key " + wanted_.key->text());
  for (const auto& witness : wanted_.witnesses) {
    if (std::ranges::none_of(facts_.cosignatures, [&](const Signature& by) { return is_valid(by, witness, note_.text); }))
      return altered("the witness " + witness.name + " has not signed this checkpoint");
  }
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    if (kinds_[kind] > 0) facts_.kinds.emplace(kKinds[kind], kinds_[kind]);
  }
  return std::move(facts_);
}

}  // namespace hansa::ledger
