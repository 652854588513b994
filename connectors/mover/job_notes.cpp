// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/job_notes.hpp"

#include "broker/async/run_on.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/domain/json_fields.hpp"
#include "connectors/mover/files.hpp"

#include <unistd.h>

#include <cerrno>

namespace hansa::connectors::mover {
namespace {

std::string name_of(const domain::TransferId& id) { return id.str() + ".json"; }

async::Task<std::optional<JobNote>> read_here(std::string folder, domain::TransferId id) {
  const auto opened = open_or_make_folder(folder);
  if (!opened) co_return std::unexpected(opened.error());
  const auto text = read_file(opened->get(), name_of(id));
  if (!text) co_return std::unexpected(text.error());
  if (!*text) co_return std::nullopt;
  auto note = job_note_from_json(**text);
  if (note) co_return std::optional(std::move(*note));
  co_return fail(ErrorKind::internal, "MOVER_NOTE",
                 "what the broker noted of transfer " + id.str() + " cannot be read: " + note.error().message,
                 folder + "/" + name_of(id));
}

async::Task<> keep_here(std::string folder, JobNote note) {
  const auto opened = open_or_make_folder(folder);
  if (!opened) co_return std::unexpected(opened.error());
  co_return write_file(opened->get(), name_of(note.order.transfer.id), canonical_json(to_json(note)), Keep::for_ever);
}

async::Task<> forget_here(std::string folder, domain::TransferId id) {
  if (::unlink((folder + "/" + name_of(id)).c_str()) != 0 && errno != ENOENT)
    co_return system_error(errno, "cannot forget transfer " + id.str());
  co_return Result<void>{};
}

}  // namespace

Json to_json(const JobNote& note) {
  return {{"order", to_json(note.order)},
          {"jobs", note.jobs},
          {"live", note.live},
          {"discards", note.discards},
          {"site", note.site.str()},
          {"account", note.account.str()},
          {"intended_at_ms", to_unix_ms(note.intended_at)},
          {"site_job", note.site_job.str()},
          {"started", note.started},
          {"cancelled", note.cancelled},
          {"fruitless", note.fruitless},
          {"furthest", note.furthest.value},
          {"status", domain::to_json(note.status)}};
}

Result<JobNote> job_note_from_json(std::string_view text) {
  const auto json = parse_json(text);
  if (!json) return std::unexpected(json.error());
  domain::FieldReader fields(*json);
  if (!fields.ok() || !json->contains("order") || !json->contains("status")) return fields.error("note");
  auto order = order_from_json(canonical_json((*json)["order"]));
  if (!order) return std::unexpected(std::move(order.error()));
  auto status = domain::transfer_status_from_json((*json)["status"]);
  if (!status) return std::unexpected(std::move(status.error()));
  JobNote note{.order = std::move(*order),
               .jobs = fields.small("jobs"),
               .live = fields.flag("live"),
               .discards = fields.flag("discards"),
               .site = fields.name<SiteId>("site"),
               .account = fields.name<LocalAccount>("account"),
               .intended_at = fields.time("intended_at_ms"),
               .site_job = fields.name<SiteJobId>("site_job"),
               .started = fields.flag("started"),
               .cancelled = fields.flag("cancelled"),
               .fruitless = fields.small("fruitless"),
               .furthest = {fields.integer("furthest")},
               .status = std::move(*status)};
  if (note.jobs < 0 || (note.live && note.jobs == 0)) fields.miss("jobs");
  if (note.status.id != note.order.transfer.id) fields.miss("status");
  if (!fields.ok()) return fields.error("note");
  return note;
}

async::Task<std::optional<JobNote>> JobNotes::read(domain::TransferId id) {
  return async::run_on<std::optional<JobNote>>(thread_.get_executor(), read_here(folder_, id));
}

async::Task<> JobNotes::keep(JobNote note) {
  return async::run_on<void>(thread_.get_executor(), keep_here(folder_, std::move(note)));
}

async::Task<> JobNotes::forget(domain::TransferId id) {
  return async::run_on<void>(thread_.get_executor(), forget_here(folder_, id));
}

}  // namespace hansa::connectors::mover
