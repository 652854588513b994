// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/job_text.hpp"

#include "broker/core/json_text.hpp"
#include "broker/core/time_text.hpp"

#include <optional>

namespace hansa::wire {

using namespace domain;

namespace {

void text_or_null(JsonObjectText& out, std::string_view name, std::string_view value) {
  if (value.empty())
    out.null(name);
  else
    out.text(name, value);
}
void time_or_null(JsonObjectText& out, std::string_view name, const std::optional<UtcTime>& value) {
  text_or_null(out, name, value ? format_utc(*value) : std::string());
}
void number_or_null(JsonObjectText& out, std::string_view name, const std::optional<std::int32_t>& value) {
  if (value)
    out.number(name, *value);
  else
    out.null(name);
}

void put_cancel(JsonObjectText& job, const std::optional<CancelIntent>& intent) {
  if (!intent) return job.null("cancel");
  auto cancel = job.object("cancel");
  cancel.text("at", format_utc(intent->at));
  cancel.text("by", intent->by.str());
  text_or_null(cancel, "outcome", intent->outcome ? to_string(*intent->outcome) : std::string_view());
  cancel.end();
}

void put_reason(JsonObjectText& job, const Reason& why) {
  if (why.code.empty()) return job.null("reason");
  auto reason = job.object("reason");
  reason.text("code", why.code);
  reason.text("message", why.message);
  reason.end();
}

void put_job(std::string& text, const Job& job, std::span<const std::string> notes) {
  static const Attempt kNowhere;
  const auto* last = job.last_attempt();
  const bool at_site = last != nullptr && last->outcome != Outcome::never_started;
  const auto& attempt = at_site ? *last : kNowhere;
  JsonObjectText out(text);
  out.text("accepted_at", format_utc(job.accepted_at));
  text_or_null(out, "account", attempt.account.str());
  put_cancel(out, job.cancel);
  time_or_null(out, "ended_at", job.ended_at);
  number_or_null(out, "exit_code", job.exit_code);
  out.text("id", job.id.str());
  text_or_null(out, "name", job.spec.name);
  if (!notes.empty()) out.texts("notes", notes);
  out.text("owner", job.owner.str());
  out.text("project", job.spec.project.str());
  text_or_null(out, "queue", attempt.queue.str());
  put_reason(out, job.reason);
  number_or_null(out, "signal", job.signal);
  text_or_null(out, "site", attempt.site.str());
  text_or_null(out, "site_job_id", attempt.site_job_id.str());
  time_or_null(out, "started_at", job.started_at);
  out.text("state", to_string(job.state));
  time_or_null(out, "unknown_since", attempt.unknown_since);
  out.number("version", job.version);
  out.end();
}

}  // namespace

std::string job_text(const Job& job, std::span<const std::string> notes) {
  std::string text;
  text.reserve(512);
  put_job(text, job, notes);
  return text;
}

std::string job_texts(std::span<const Job> jobs, std::span<const std::vector<std::string>> notes) {
  std::string text;
  text.reserve(512 * jobs.size() + 2);
  char before = '[';
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    text += before;
    before = ',';
    put_job(text, jobs[i], i < notes.size() ? std::span<const std::string>(notes[i]) : std::span<const std::string>());
  }
  text += before == '[' ? "[]" : "]";
  return text;
}

}  // namespace hansa::wire
