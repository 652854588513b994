// SPDX-License-Identifier: Apache-2.0
// The ledger, as those see it who check it: records as they are hashed, proofs, what was signed.
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"
#include "broker/ledger/note.hpp"

#include <algorithm>

namespace hansa::api {

namespace {

constexpr std::int64_t kMostRecords = std::int64_t{1} << 53;
constexpr std::int64_t kCorrections = 1'000;

Json path_view(const std::vector<Sha256>& path) {
  Json list = Json::array();
  for (const auto& hash : path) list.push_back(ledger::base64_of(hash));
  return list;
}

Json checkpoint_view(const engine::Notary& notary, const ports::KeptCheckpoint& checkpoint) {
  return {{"size", checkpoint.size}, {"note", notary.note_of(checkpoint)}, {"signed_at", format_utc(checkpoint.at)}};
}

}  // namespace

async::Task<http::Response> get_ledger(Exchange exchange) {
  auto& parts = exchange.api.parts();
  auto head = co_await parts.ledger.ledger_head();
  if (!head) co_return std::unexpected(head.error());
  auto keys = co_await parts.ledger.ledger_keys();
  if (!keys) co_return std::unexpected(keys.error());
  auto last = co_await parts.ledger.last_checkpoint();
  if (!last) co_return std::unexpected(last.error());
  auto cosigned = co_await parts.ledger.last_cosignatures();
  if (!cosigned) co_return std::unexpected(cosigned.error());
  auto refusals = co_await parts.ledger.usage_refusals();
  if (!refusals) co_return std::unexpected(refusals.error());

  Json view{{"origin", parts.notary.options().origin},
            {"size", head->size},
            {"root", ledger::base64_of(head->root)},
            {"keys", Json::array()},
            {"checkpoint", *last ? checkpoint_view(parts.notary, **last) : Json()}};
  for (const auto& [record, key] : *keys) view["keys"].push_back({{"key", key}, {"record", record}});
  auto& witnesses = view["witnesses"] = Json::array();
  for (const auto& witness : parts.notary.options().witnesses) {
    Json seen{{"name", witness.name}, {"key", witness.text()}, {"size", nullptr}, {"signed_at", nullptr}};
    for (const auto& [size, cosignature] : *cosigned) {
      const auto signature = ledger::parse_signature(cosignature.line);
      if (!signature || !ledger::names(*signature, witness)) continue;
      seen["size"] = size;
      seen["signed_at"] = format_utc(ledger::time_of(*signature));
    }
    witnesses.push_back(std::move(seen));
  }
  auto& refused = view["refused"] = Json::array();
  for (const auto& refusal : *refusals) {
    refused.push_back({{"site", refusal.site.str()},
                       {"reason", refusal.reason},
                       {"records", refusal.records},
                       {"last_at", refusal.last_at == UtcTime{} ? Json() : Json(format_utc(refusal.last_at))},
                       {"last_site_job_id", refusal.last_site_job_id}});
  }
  co_return json_answer(200, view);
}

async::Task<http::Response> sign_checkpoint(Exchange exchange) {
  auto& notary = exchange.api.parts().notary;
  auto checkpoint = co_await notary.checkpoint();
  if (!checkpoint) co_return std::unexpected(checkpoint.error());
  co_return json_answer(200, checkpoint_view(notary, *checkpoint));
}

async::Task<http::Response> list_ledger_records(Exchange exchange) {
  QueryReader query(exchange.request.query);
  const auto from = query.integer("from", 0, 0, kMostRecords);
  const auto limit = query.integer("limit", kMaxPage, 1, kMaxPage);
  const bool personal = query.flag("personal");
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  auto records = co_await exchange.api.parts().ledger.ledger_records(from, static_cast<std::size_t>(limit), personal);
  if (!records) co_return std::unexpected(records.error());
  Json list = Json::array();
  for (const auto& record : *records) {
    Json entry{{"record", record.text}};
    if (personal && record.of_person) entry["personal"] = record.personal.empty() ? "-" : record.personal;
    if (!record.rests_on.empty()) entry["rests_on"] = record.rests_on;
    list.push_back(std::move(entry));
  }
  co_return json_answer(200, {{"records", std::move(list)}});
}

async::Task<http::Response> prove_ledger_record(Exchange exchange) {
  auto& parts = exchange.api.parts();
  QueryReader query(exchange.request.query);
  const auto seq = query.integer("record", -1, 0, kMostRecords);
  const auto id = query.text("job");
  const auto job = id ? Ulid::parse(*id) : std::nullopt;
  if (id && !job) query.fault("job", "is no job's id");
  if ((seq < 0) == !id.has_value()) query.fault("record", "give either a record's place or a job");
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());

  Result<std::vector<std::int64_t>> wanted = std::vector<std::int64_t>{seq};
  if (job) wanted = co_await parts.ledger.ledger_records_of(*job);
  if (!wanted) co_return std::unexpected(wanted.error());
  // Signed anew only for a record that nothing signed covers: whoever asks often fills no table.
  auto last = co_await parts.ledger.last_checkpoint();
  if (!last) co_return std::unexpected(last.error());
  const bool covered = *last && std::ranges::all_of(*wanted, [&](std::int64_t of) { return of < (*last)->size; });
  auto checkpoint = covered ? Result<ports::KeptCheckpoint>(std::move(**last)) : co_await parts.notary.checkpoint();
  if (!checkpoint) co_return std::unexpected(checkpoint.error());
  Json proofs = Json::array();
  for (const auto of : *wanted) {
    if (job && of >= checkpoint->size) continue;  // booked since that was signed
    auto proof = co_await parts.ledger.prove_record(of, checkpoint->size);
    if (!proof) co_return std::unexpected(proof.error());
    proofs.push_back({{"record", proof->record.text}, {"seq", of}, {"path", path_view(proof->path)}});
  }
  co_return json_answer(200, {{"checkpoint", parts.notary.note_of(*checkpoint)}, {"proofs", std::move(proofs)}});
}

async::Task<http::Response> prove_ledger_growth(Exchange exchange) {
  QueryReader query(exchange.request.query);
  const auto from = query.integer("from", 0, 0, kMostRecords);
  const auto to = query.integer("to", 0, 0, kMostRecords);
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  auto path = co_await exchange.api.parts().ledger.prove_growth(from, to);
  if (!path) co_return std::unexpected(path.error());
  co_return json_answer(200, {{"from", from}, {"to", to}, {"path", path_view(*path)}});
}

async::Task<http::Response> cosign_checkpoint(Exchange exchange) {
  BodyReader body(exchange.request);
  auto checkpoint = body.required("checkpoint");
  auto line = body.required("cosignature");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  auto kept = co_await exchange.api.parts().notary.accept(std::move(checkpoint), std::move(line));
  if (!kept) co_return std::unexpected(kept.error());
  co_return json_answer(200, {{"status", "kept"}});
}

async::Task<http::Response> change_ledger_key(Exchange exchange) {
  auto key = co_await exchange.api.parts().notary.change_key();
  if (!key) co_return std::unexpected(key.error());
  co_return json_answer(200, {{"key", key->text()}});
}

async::Task<http::Response> list_corrections(Exchange exchange) {
  QueryReader query(exchange.request.query);
  const auto limit = query.integer("limit", 100, 1, kCorrections);
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  auto corrections = co_await exchange.api.parts().ledger.corrections(static_cast<std::size_t>(limit));
  if (!corrections) co_return std::unexpected(corrections.error());
  Json list = Json::array();
  for (const auto& c : *corrections) {
    list.push_back({{"at", format_utc(c.at)},
                    {"reason", c.reason},
                    {"site", c.site.str()},
                    {"site_job_id", c.site_job_id.str()},
                    {"project", c.project.str()},
                    {"reversed", c.reversed},
                    {"reversal", c.reversal},
                    {"replaced_by", c.replaced_by ? Json(*c.replaced_by) : Json()},
                    {"core_seconds_before", c.before.value},
                    {"core_seconds_after", c.after.value},
                    {"gpu_seconds_before", c.gpu_before.value},
                    {"gpu_seconds_after", c.gpu_after.value}});
  }
  co_return json_answer(200, {{"corrections", std::move(list)}});
}

}  // namespace hansa::api
