// SPDX-License-Identifier: Apache-2.0
// How people's data are protected: periods, erasures, what is held of somebody. (What has ended and who has read: reports.)
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

namespace hansa::api {

using ports::Erasure;

namespace {

constexpr std::string_view kParts[] = {"tokens",  "secrets",  "jobs",     "usage",    "datasets",   "facts",
                                       "changes", "sessions", "requests", "accesses", "break_glass"};
static_assert(std::size(kParts) == ports::kPersonParts);
constexpr const char* kWithheld[] = {"arguments", "environment", "script"};  // of jobs: an owner's alone, or by break-glass
constexpr const char* kWithheldValues = "environment values";                // by break-glass as well

Result<void> has_protection(const Exchange& exchange) {
  if (exchange.api.parts().protection != nullptr) return {};
  return fail(ErrorKind::not_found, "NO_PROTECTION", "this broker has no protection of data");
}

std::string_view to_string(Erasure::State state) {
  switch (state) {
    case Erasure::State::pending: return "pending";
    case Erasure::State::rejected: return "rejected";
    case Erasure::State::approved: return "approved";
    case Erasure::State::done: return "done";
  }
  return "";
}

Json erasure_view(const Erasure& erasure) {
  return {{"id", erasure.id.str()},
          {"person", name_or_null(erasure.of)},
          {"reason", erasure.reason},
          {"state", to_string(erasure.state)},
          {"by", erasure.by.str()},
          {"at", format_utc(erasure.at)},
          {"ruled_by", name_or_null(erasure.ruled_by)},
          {"ruled_at", time_or_none(erasure.ruled_at)},
          {"done_at", time_or_none(erasure.done_at)},
          {"jobs", erasure.jobs},
          {"records", erasure.records}};
}

std::string_view to_string(domain::Keeper keeper) {
  switch (keeper) {
    case domain::Keeper::broker: return "broker";
    case domain::Keeper::elsewhere: return "elsewhere";
    case domain::Keeper::others: return "others";
  }
  return "";
}

async::Task<http::Response> rule_on_erasure(Exchange exchange, bool approve) {
  if (auto there = has_protection(exchange); !there) co_return std::unexpected(there.error());
  if (auto read = BodyReader(exchange.request).finish(); !read) co_return std::unexpected(read.error());
  const auto id = Ulid::parse(exchange.path.at("id"));
  if (!id) co_return fail(ErrorKind::not_found, "ERASURE_NOT_FOUND", "there is no such erasure; see: hansa privacy erasures");
  auto ruled = co_await exchange.api.parts().protection->rule(exchange.caller.principal, *id, approve);
  if (!ruled) co_return std::unexpected(ruled.error());
  co_return json_answer(200, erasure_view(*ruled));
}

/// One JSON object, made as it is sent: {"person":...,"tokens":[...],"jobs":[...],...}.
class PersonDocument {
 public:
  /// `own`: with all that jobs were given; `glass`: by it, without the values of variables, while it is open.
  PersonDocument(Exchange exchange, Principal person, bool own, std::optional<domain::BreakGlassId> glass)
      : exchange_(std::move(exchange)), person_(std::move(person)), own_(own), glass_(glass) {}

  [[nodiscard]] std::string head() const {
    Json head{{"format", "hansa-person/1"},
              {"person", person_.str()},
              {"broker", exchange_.api.facts().name},
              {"made_at", format_utc(exchange_.api.parts().scheduler.now_utc())}};
    if (glass_)
      head["withheld"] = Json::array({kWithheldValues});
    else if (!own_)
      head["withheld"] = kWithheld;
    auto text = canonical_json(head);
    text.pop_back();
    return text;
  }

  async::Task<std::optional<std::string>> next() {
    if (part_ == ports::kPersonParts) co_return std::nullopt;
    if (glass_) {  // what is over gives no more of it
      if (auto still = exchange_.api.parts().break_glass->still_open(*glass_); !still) co_return std::unexpected(still.error());
    }
    auto page = co_await exchange_.api.parts().privacy->person_part(person_, static_cast<ports::PersonPart>(part_), after_);
    if (!page) co_return std::unexpected(page.error());
    std::string text;
    if (is_new_) text = ",\"" + std::string(kParts[part_]) + "\":[";
    for (auto& entry : page->entries) {
      if (!own_) withhold(entry);
      if (!is_first_ || !is_new_) text += is_first_ ? "" : ",";
      text += canonical_json(entry);
      is_first_ = false;
    }
    is_new_ = false;
    if (page->next) {
      after_ = *page->next;
      co_return text;
    }
    text += "]";
    after_.clear();
    is_new_ = is_first_ = true;
    if (++part_ == ports::kPersonParts) text += "}\n";
    co_return text;
  }

 private:
  void withhold(Json& entry) const {
    if (!glass_) {
      for (const auto* name : kWithheld) entry.erase(name);
    } else if (const auto variables = entry.find("environment"); variables != entry.end()) {
      Json names = Json::array();  // each is followed by its value
      for (std::size_t i = 0; i < variables->size(); i += 2) names.push_back((*variables)[i]);
      *variables = std::move(names);
    }
  }

  Exchange exchange_;
  Principal person_;
  bool own_;
  std::optional<domain::BreakGlassId> glass_;
  std::size_t part_ = 0;
  std::string after_;
  bool is_new_ = true;    // nothing of this part was written
  bool is_first_ = true;  // no entry of it was
};

}  // namespace

async::Task<http::Response> list_retention(Exchange exchange) {
  if (auto there = has_protection(exchange); !there) co_return std::unexpected(there.error());
  auto report = co_await exchange.api.parts().protection->report();
  if (!report) co_return std::unexpected(report.error());
  Json list = Json::array();
  for (const auto& line : *report) {
    const auto& item = *line.item;
    const auto days = exchange.api.facts().privacy.days.find(item.holding);
    list.push_back({{"holding", item.key},
                    {"what", item.what},
                    {"where", item.where},
                    {"purpose", item.purpose},
                    {"days", days == exchange.api.facts().privacy.days.end() ? Json(item.days) : Json(days->second)},
                    {"from", item.from},
                    {"kept_by", to_string(item.keeper)},
                    {"erased", item.erased},
                    {"tested", item.tested},
                    {"held", item.keeper == domain::Keeper::broker ? Json(line.held.held) : Json()},
                    {"oldest", time_or_none(line.held.oldest)},
                    {"next_end", time_or_none(line.next_end)}});
  }
  co_return json_answer(200, {{"holdings", std::move(list)}});
}

async::Task<http::Response> export_person(Exchange exchange) {
  // A query's values are in no log, as a path's would be.
  QueryReader query(exchange.request.query);
  const auto name = query.text("person");
  const auto person = name ? Principal(name->contains(':') ? *name : "local:" + *name) : exchange.caller.principal;
  if (auto there = has_protection(exchange); !there) co_return std::unexpected(there.error());
  if (auto allowed = may(exchange, {.owner = person}); !allowed) co_return std::unexpected(allowed.error());
  auto reason = query.text("reason").value_or("");
  const bool own = person == exchange.caller.principal;
  if (!own && reason.empty())
    query.fault("reason", "is required where the data are somebody else's: why they are read is on record");
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  if (!own) {
    if (auto noted = note_access(exchange, person, std::move(reason)); !noted) co_return std::unexpected(noted.error());
  }
  std::optional<domain::BreakGlassId> glass;
  if (!own) {
    auto opened = co_await open_person(exchange, person);
    if (!opened && opened.error().kind != ErrorKind::permission_denied) co_return std::unexpected(opened.error());
    if (opened) glass = opened->id;
  }
  auto document = std::make_shared<PersonDocument>(std::move(exchange), person, own, glass);
  http::Response answer{
      .status = 200,
      .content_type = "application/json",
      .headers = {{"Cache-Control", "no-store"}, {"Content-Disposition", "attachment; filename=\"person.json\""}},
      .body = document->head()};
  answer.next = [document] { return document->next(); };
  co_return answer;
}

async::Task<http::Response> ask_erasure(Exchange exchange) {
  if (auto there = has_protection(exchange); !there) co_return std::unexpected(there.error());
  BodyReader body(exchange.request);
  const auto name = body.required("person");
  auto reason = body.required("reason");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  auto asked = co_await exchange.api.parts().protection->ask({exchange.caller.principal, std::move(reason)},
                                                             Principal(name.contains(':') ? name : "local:" + name));
  if (!asked) co_return std::unexpected(asked.error());
  co_return json_answer(201, erasure_view(*asked));
}

async::Task<http::Response> list_erasures(Exchange exchange) {
  if (auto there = has_protection(exchange); !there) co_return std::unexpected(there.error());
  QueryReader query(exchange.request.query);
  const auto limit = query.integer("limit", 100, 1, kMaxPage);
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  auto erasures = co_await exchange.api.parts().privacy->erasures(static_cast<std::size_t>(limit));
  if (!erasures) co_return std::unexpected(erasures.error());
  Json list = Json::array();
  for (const auto& erasure : *erasures) list.push_back(erasure_view(erasure));
  co_return json_answer(200, {{"erasures", std::move(list)}});
}

async::Task<http::Response> approve_erasure(Exchange exchange) { return rule_on_erasure(std::move(exchange), true); }
async::Task<http::Response> reject_erasure(Exchange exchange) { return rule_on_erasure(std::move(exchange), false); }

}  // namespace hansa::api
