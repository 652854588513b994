// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/report_registers.hpp"

namespace hansa::ledger {
namespace {

ReportKind period() {
  return {.name = "period",
          .title = "The ledger's months: opening and closing checkpoint, as published, as corrected",
          .is_graded = true,
          .columns = {
              {.name = "period", .about = "a month of UTC, of which any part lies in the time that was asked for"},
              {.name = "state", .about = "open, or closed"},
              {.name = "opened_at", .kind = CellKind::time},
              {.name = "opening_size", .kind = CellKind::count, .about = "records of the first checkpoint that has its opening"},
              {.name = "opening_root", .about = "its root, base 64"},
              {.name = "closed_at", .kind = CellKind::time},
              {.name = "close_record", .kind = CellKind::count, .about = "its place in the ledger, right behind the summary's"},
              {.name = "closing_size", .kind = CellKind::count, .about = "records of the first checkpoint that has the close"},
              {.name = "closing_root"},
              {.name = "signed_by", .about = "witnesses, sites among them, of that checkpoint or a later one"},
              {.name = "sites", .about = "their grades as it was closed"},
              {.name = "reconciliations", .about = "SHA-256 of what the close rests on, which exports have"},
              {.name = "apart_s", .kind = CellKind::seconds, .about = "that lay between two clean reconciliations, at least"},
              {.name = "published_runs", .kind = CellKind::count, .summed = true},
              {.name = "corrected_runs", .kind = CellKind::count, .summed = true},
              {.name = "published_core_seconds", .kind = CellKind::seconds, .summed = true},
              {.name = "corrected_core_seconds", .kind = CellKind::seconds, .summed = true},
              {.name = "published_gpu_seconds", .kind = CellKind::seconds, .summed = true},
              {.name = "corrected_gpu_seconds", .kind = CellKind::seconds, .summed = true},
              {.name = "published_node_seconds", .kind = CellKind::seconds, .summed = true},
              {.name = "corrected_node_seconds", .kind = CellKind::seconds, .summed = true}}};
}

ReportKind reconciliation() {
  return {.name = "reconciliation",
          .title = "The ledger against sites' own accounting: what was seen, and every difference",
          .of_sites = true,
          .columns = {
              {.name = "reconciliation", .about = "its id"},
              {.name = "site"},
              {.name = "from", .kind = CellKind::time, .about = "runs that ended at or after; empty in a difference's row"},
              {.name = "to", .kind = CellKind::time, .about = "runs that ended before"},
              {.name = "at", .kind = CellKind::time, .about = "when it was over"},
              {.name = "asked", .about = "by an operator, or daily"},
              {.name = "matched", .kind = CellKind::count, .summed = true},
              {.name = "differences", .kind = CellKind::count, .summed = true},
              {.name = "unexplained", .kind = CellKind::count, .summed = true, .about = "of them, as it is now"},
              {.name = "others", .kind = CellKind::count, .about = "runs that are not the broker's; empty: the site hides them"},
              {.name = "kind", .about = "of a difference; empty in the row of the whole"},
              {.name = "difference", .about = "its name, as hansa ledger explain-difference takes it"},
              {.name = "site_job_id"},
              {.name = "record", .kind = CellKind::count, .about = "of the ledger, that stands for the run after it"},
              {.name = "fields", .about = "the ledger's word, then the site's, as JSON"},
              {.name = "outcome"},
              {.name = "explanation", .about = "empty: nobody has explained it"}}};
}

ReportKind completeness() {
  return {
      .name = "completeness",
      .title = "What the ledger may lack: gaps, silent sites, what came late or not at all",
      .of_sites = true,
      .columns = {
          {.name = "site", .about = "empty: the ledger as a whole"},
          {.name = "records", .kind = CellKind::count, .about = "of runs that ended in the period; of the whole: all"},
          {.name = "gaps", .kind = CellKind::count, .about = "numbers below the ledger's size that no record has"},
          {.name = "first_gap", .kind = CellKind::count, .about = "the first of them"},
          {.name = "booked_at", .kind = CellKind::time, .about = "when something of the site was booked last"},
          {.name = "ended_at", .kind = CellKind::time, .about = "the latest end of its runs"},
          {.name = "reconciled_at", .kind = CellKind::time, .about = "when its own accounting was last held against the ledger"},
          {.name = "reconciled_to", .kind = CellKind::time, .about = "the latest end that was asked about then, or before"},
          {.name = "silent_s",
           .kind = CellKind::seconds,
           .about = "since the later of booked_at and reconciled_at; empty: never heard of"},
          {.name = "unbooked",
           .kind = CellKind::count,
           .summed = true,
           .about = "jobs that started there and are over, without any record"},
          {.name = "late",
           .kind = CellKind::count,
           .summed = true,
           .about = "runs of the period that were booked more than a day after their end"},
          {.name = "latest_s", .kind = CellKind::seconds, .about = "how long after its end the latest of them was booked"},
          {.name = "after_close",
           .kind = CellKind::count,
           .summed = true,
           .about = "records of the period that were booked after its month was closed"},
          {.name = "not_booked",
           .kind = CellKind::count,
           .summed = true,
           .about = "times that a record of the site was refused, ever"}}};
}

ReportKind access() {
  return {
      .name = "access",
      .title = "Who has read whose data",
      .audience = Audience::protection,
      .is_log = true,
      .columns = {{.name = "at", .kind = CellKind::time},
                  {.name = "kind", .about = "access: somebody's data were read; break_glass: by break-glass, or a step of it"},
                  {.name = "reader", .about = "erased:nobody: was erased"},
                  {.name = "role"},
                  {.name = "person", .about = "whose; empty: of several"},
                  {.name = "operation", .about = "as the API calls it"},
                  {.name = "times", .kind = CellKind::count, .summed = true, .about = "within that minute"},
                  {.name = "reason", .about = "where one is asked for"},
                  {.name = "sequence", .kind = CellKind::count, .about = "its place in the log"}}};
}

ReportKind retention() {
  return {
      .name = "retention",
      .title = "What has ended: by age, by erasure, and what the ledger says of it",
      .audience = Audience::protection,
      .columns = {
          {.name = "at", .kind = CellKind::time, .about = "the day that it ended on; when it was asked for; when it was booked"},
          {.name = "kind", .about = "expired, erasure, tombstone"},
          {.name = "holding", .about = "what ended by age, as hansa privacy retention has it"},
          {.name = "ended", .kind = CellKind::count, .summed = true, .about = "how many of it"},
          {.name = "erasure", .about = "its id"},
          {.name = "state", .about = "of an erasure: pending, rejected, approved, done"},
          {.name = "ruled_at", .kind = CellKind::time},
          {.name = "done_at", .kind = CellKind::time},
          {.name = "jobs", .kind = CellKind::count, .summed = true, .about = "that became nobody's"},
          {.name = "records",
           .kind = CellKind::count,
           .summed = true,
           .about = "of the ledger that lost their personal part by an erasure"},
          {.name = "tombstone", .kind = CellKind::count, .about = "its place in the ledger"},
          {.name = "tombstone_records", .kind = CellKind::count, .summed = true, .about = "how many records it tells of"},
          {.name = "reason", .about = "of an erasure that is over, and of a tombstone"}}};
}

}  // namespace

std::vector<ReportKind> register_kinds() { return {period(), reconciliation(), completeness(), access(), retention()}; }

}  // namespace hansa::ledger
