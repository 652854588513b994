// SPDX-License-Identifier: Apache-2.0
// The reports that are declared in broker/ledger/report.hpp. Whose records they tell of: report_scope.hpp. A report is of one
// state of the ledger, which stands in its head and in its manifest.
#include "broker/api/report_scope.hpp"
#include "broker/api/spool.hpp"
#include "broker/core/encoding.hpp"
#include "broker/ledger/report_manifest.hpp"
#include "broker/ledger/report_writer.hpp"

#include <algorithm>
#include <functional>
#include <memory>

namespace hansa::api {

namespace {

constexpr std::chrono::days kMostDays{3'660};  // that runs are cut at the bounds of
constexpr std::int64_t kMostRows = std::int64_t{1} << 53;

std::vector<std::string_view> names_of(std::span<const ledger::ReportKind> kinds) {
  std::vector<std::string_view> names;
  for (const auto& kind : kinds) names.push_back(kind.name);
  return names;
}

/// What was asked, in the order of names, as the manifest keeps it.
std::string text_of(const http::Query& query) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : query) {
    if (name != "manifest") parts.push_back(name + "=" + value);
  }
  std::ranges::sort(parts);
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : "&") + part;
  return text;
}

struct Wanted {
  ports::ReportQuery query;
  std::string format;
  bool with_manifest = false;
};

Result<Wanted> read_query(const Exchange& exchange, const ledger::ReportKind& kind) {
  QueryReader reader(exchange.request.query);
  Wanted wanted;
  auto& query = wanted.query;
  if (!kind.may_by.empty()) {
    std::vector<std::string_view> names;
    for (const auto dimension : kind.may_by) names.push_back(to_string(dimension));
    const auto places = reader.groups<std::size_t>(names, {});
    for (const auto place : places) query.by.push_back(kind.may_by[place]);
    if (places.empty()) query.by = kind.usual_by;
  }
  query.from = reader.time("from");
  query.to = reader.time("to");
  if (query.from && query.to && *query.to <= *query.from) reader.fault("to", "must be later than from");
  if (kind.may_slice) query.sliced = reader.flag("time_sliced");
  const bool by_time = std::ranges::any_of(
      query.by, [](ports::Dimension d) { return d == ports::Dimension::day || d == ports::Dimension::month; });
  if (query.sliced && by_time && (!query.from || !query.to || *query.to - *query.from > kMostDays))
    reader.fault("time_sliced", "by day or month needs from and to, at most ten years apart");
  if (kind.may_withhold) {
    const auto whom = reader.text("for");
    if (whom && *whom != "third_party") reader.fault("for", "must be third_party, or not be there");
    query.for_third_party = whom.has_value();
  }
  if (kind.is_log) {
    if (const auto person = reader.text("person")) query.person = Principal(person->contains(':') ? *person : "local:" + *person);
    if (const auto limit = reader.integer("limit", 0, 1, kMostRows); limit > 0) query.limit = static_cast<std::size_t>(limit);
  }
  const ReportScope scope{
      .of_projects = kind.of_projects, .of_sites = kind.of_sites, .has_own = kind.audience == ledger::Audience::own};
  query.within = read_limits(reader, exchange.request.query, scope);
  wanted.format = reader.text("format").value_or("json");
  if (std::ranges::find(kind.formats, wanted.format) == kind.formats.end())
    reader.fault("format", no_such("format of this report", wanted.format, kind.formats));
  wanted.with_manifest = reader.flag("manifest");
  if (auto done = reader.finish(); !done) return std::unexpected(done.error());

  // A report of decisions is also theirs who read everybody's.
  const auto& caller = exchange.caller;
  const bool of_decisions = kind.name == "sovereignty" && identity::reaches_all(caller, identity::Action::read_decisions);
  if (kind.audience == ledger::Audience::protection) {
    if (auto allowed = may(exchange, identity::Action::read_protection); !allowed) return std::unexpected(allowed.error());
  } else if (!of_decisions) {
    auto owner = owner_within(exchange, query.within, scope);
    if (!owner) return std::unexpected(owner.error());
    query.owner = std::move(*owner);
  }
  query.asked_by = exchange.caller.principal;
  query.now = exchange.api.parts().scheduler.now_utc();
  return wanted;
}

/// Whether its rows are of single people or of their jobs.
bool tells_of_people(const ledger::ReportKind& kind, const ports::ReportQuery& query) {
  return kind.of_jobs || std::ranges::find(query.by, ports::Dimension::person) != query.by.end();
}

/// How far sites vouch for what is in the report: as far as the weakest of them, in its weakest month. "": nothing is said of it.
async::Task<std::string> grade_of(const Exchange& exchange, const ledger::ReportKind& kind, ports::ReportQuery query) {
  if (!kind.is_graded) co_return std::string();
  query.by = {ports::Dimension::site, ports::Dimension::month};
  query.sliced = query.sliced && query.from && query.to && *query.to - *query.from <= kMostDays;
  query.for_third_party = false;
  std::vector<std::pair<SiteId, std::string>> told_of;
  auto read = co_await exchange.api.parts().reports.report_rows(
      "usage", std::move(query), [&told_of](std::span<const ports::Cell> cells) -> Result<void> {
        told_of.emplace_back(SiteId(std::get<std::string>(cells[0])), std::get<std::string>(cells[1]));
        return {};
      });
  if (!read) co_return std::unexpected(read.error());
  std::ranges::sort(told_of, std::greater{}, &std::pair<SiteId, std::string>::second);  // the newest are likely the weakest
  auto grades = co_await on_engine(exchange, exchange.api.parts().periods.grades(std::move(told_of)));
  if (!grades) co_return std::unexpected(grades.error());
  if (grades->empty()) co_return std::string();
  auto weakest = ledger::Grade::a;
  std::string each;
  for (const auto& [site, grade] : *grades) {
    weakest = std::max(weakest, grade);
    each += (each.empty() ? "" : " ") + site.str() + "=" + std::string(to_string(grade));
  }
  co_return std::string(describe(weakest)) + " (" + each + ")";
}

async::Task<std::optional<std::string>> piece_of(std::shared_ptr<Spool> spool) { co_return spool->next(); }

}  // namespace

async::Task<http::Response> get_report(Exchange exchange) {
  const auto& name = exchange.path.at("name");
  const auto* kind = ledger::find_report(name);
  if (kind == nullptr) {
    const auto names = names_of(ledger::report_kinds());
    co_return fail(ErrorKind::not_found, "NO_SUCH_REPORT", no_such("report", name, names));
  }
  auto wanted = read_query(exchange, *kind);
  if (!wanted) co_return std::unexpected(wanted.error());
  if (!wanted->query.owner && tells_of_people(*kind, wanted->query)) {
    if (auto noted = note_access(exchange, Principal{}); !noted) co_return std::unexpected(noted.error());
  }
  auto& parts = exchange.api.parts();
  if (kind->is_log && parts.protection != nullptr) {  // what was read until now is in it
    if (auto flushed = co_await parts.protection->accesses().flush(); !flushed) co_return std::unexpected(flushed.error());
  }
  ledger::ReportHead head{.kind = kind,
                          .query = std::move(wanted->query),
                          .columns = {},
                          .root = {},
                          .grade = {},
                          .origin = parts.notary.options().origin};
  std::string note;
  if (wanted->with_manifest) {
    auto checkpoint = co_await parts.notary.checkpoint();
    if (!checkpoint) co_return std::unexpected(checkpoint.error());
    note = parts.notary.note_of(*checkpoint);
    head.query.size = checkpoint->size;
    auto root = co_await parts.ledger.ledger_root(checkpoint->size);
    if (!root) co_return std::unexpected(root.error());
    head.root = ledger::base64_of(*root);
  } else {
    auto now = co_await parts.ledger.ledger_head();
    if (!now) co_return std::unexpected(now.error());
    head.query.size = now->size;
    head.root = ledger::base64_of(now->root);
  }
  head.columns = ledger::columns_of(*kind, head.query.by, head.query.for_third_party);
  auto grade = co_await grade_of(exchange, *kind, head.query);
  if (!grade) co_return std::unexpected(grade.error());
  head.grade = std::move(*grade);

  const auto spool = std::make_shared<Spool>(exchange.api.facts().spool_folder);
  const std::shared_ptr<ledger::ReportWriter> writer =
      ledger::make_writer(wanted->format, [spool](std::string_view bytes) { return spool->write(bytes); });
  if (auto begun = writer->begin(head); !begun) co_return std::unexpected(begun.error());
  const auto rows = std::make_shared<std::int64_t>(0);
  auto told = co_await parts.reports.report_rows(std::string(kind->name), head.query,
                                                 [writer, rows](std::span<const ports::Cell> cells) -> Result<void> {
                                                   ++*rows;
                                                   return writer->row(cells);
                                                 });
  if (!told) co_return std::unexpected(told.error());
  if (auto ended = writer->end(); !ended) co_return std::unexpected(ended.error());
  auto hash = spool->finish();
  if (!hash) co_return std::unexpected(hash.error());

  http::Response answer{.status = 200, .content_type = std::string(writer->content_type())};
  answer.headers.emplace_back("Hansa-Report-Rows", std::to_string(*rows));
  if (wanted->with_manifest) {
    const auto seconds = [](const std::optional<UtcTime>& t) { return t ? std::optional(to_unix_seconds(*t)) : std::nullopt; };
    ledger::ReportManifest manifest{.report = std::string(kind->name),
                                    .file_format = wanted->format,
                                    .by = {},
                                    .from_s = seconds(head.query.from),
                                    .to_s = seconds(head.query.to),
                                    .sliced = head.query.sliced,
                                    .everybody = !head.query.owner,
                                    .query = text_of(exchange.request.query),
                                    .at_s = to_unix_seconds(head.query.now),
                                    .checkpoint = std::move(note),
                                    .rows = *rows,
                                    .bytes = spool->bytes(),
                                    .sha256 = std::move(*hash),
                                    .grade = head.grade};
    for (const auto dimension : head.query.by) manifest.by.emplace_back(to_string(dimension));
    for (const auto& project : head.query.within.projects) manifest.projects.push_back(project.str());
    for (const auto& site : head.query.within.sites) manifest.sites.push_back(site.str());
    const auto signature = parts.notary.sign_text(text_to_sign(manifest));
    if (!signature) co_return std::unexpected(signature.error());
    manifest.signature = manifest_signature(*signature);
    answer.headers.emplace_back("Hansa-Report-Manifest", to_base64(manifest_text(manifest)));
  }
  auto first = spool->next();
  if (!first) co_return std::unexpected(first.error());
  answer.body = std::move(*first).value_or("");
  if (!spool->complete()) answer.next = [spool] { return piece_of(spool); };
  co_return answer;
}

}  // namespace hansa::api
