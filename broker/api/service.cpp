// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"

namespace hansa::api {

namespace {

/// A label's value (Prometheus' text exposition format, version 0.0.4).
std::string label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

class Exposition {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    text_ += "# HELP " + std::string(name) + " " + std::string(help) + "\n# TYPE " + std::string(name) + " " + std::string(type) +
             "\n";
    name_ = name;
  }
  void sample(std::int64_t value, std::string labels = {}) {
    text_ += name_ + (labels.empty() ? "" : "{" + labels + "}") + " " + std::to_string(value) + "\n";
  }
  [[nodiscard]] std::string text() && { return std::move(text_); }

 private:
  std::string text_, name_;
};

}  // namespace

async::Task<http::Response> healthz(Exchange) { co_return json_answer(200, {{"status", "ok"}}); }

async::Task<http::Response> readyz(Exchange exchange) {
  if (exchange.api.ready()) co_return json_answer(200, {{"status", "ready"}});
  co_return fail(ErrorKind::unavailable, "NOT_READY", "the broker is starting or stopping");
}

async::Task<http::Response> metrics(Exchange exchange) {
  auto& parts = exchange.api.parts();
  auto counters = co_await on_engine(exchange, parts.engine.counters());
  if (!counters) co_return std::unexpected(counters.error());
  auto sites = co_await on_engine(exchange, parts.engine.sites());
  if (!sites) co_return std::unexpected(sites.error());

  Exposition out;
  out.family("hansa_jobs", "gauge", "Jobs that are not over, by state.");
  for (const auto& [state, count] : counters->jobs_by_state) out.sample(count, "state=\"" + label(state) + "\"");
  out.family("hansa_jobs_accepted_total", "counter", "Jobs accepted since start.");
  out.sample(counters->accepted);
  out.family("hansa_jobs_ended_total", "counter", "Jobs that ended since start.");
  out.sample(counters->ended);
  out.family("hansa_decisions_total", "counter", "Routing decisions taken since start.");
  out.sample(counters->decisions);
  out.family("hansa_submissions_total", "counter", "Submissions sent to sites since start.");
  out.sample(counters->submissions);
  out.family("hansa_messages_total", "counter",
             "Submissions and cancels that went to sites since start; by jobs accepted: what each costs them.");
  out.sample(counters->messages);
  out.family("hansa_moves_total", "counter", "Moves of waiting jobs to other sites that were begun, over all time.");
  out.sample(counters->moves);
  const auto per_site = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    out.family(name, type, help);
    for (const auto& report : *sites) out.sample(value(report), "site=\"" + label(report.site.id.str()) + "\"");
  };
  per_site("hansa_site_up", "gauge", "Whether the site answers.",
           [](const auto& r) { return std::int64_t{r.state.health == domain::SiteHealth::up}; });
  per_site("hansa_site_drained", "gauge", "Whether an operator drained the site.",
           [](const auto& r) { return std::int64_t{r.state.drained}; });
  per_site("hansa_site_calls_total", "counter", "Calls made to the site since start.",
           [](const auto& r) { return r.calls_made; });
  per_site("hansa_site_live_jobs", "gauge", "Jobs of ours at the site.", [](const auto& r) { return r.our_live_jobs; });
  per_site("hansa_site_waiting_jobs", "gauge", "Jobs of ours in the site's queue.",
           [](const auto& r) { return r.our_waiting_jobs; });
  per_site("hansa_site_unknown_jobs", "gauge", "Jobs of ours whose state at the site is unknown.",
           [](const auto& r) { return r.our_unknown_jobs; });
  per_site("hansa_site_cores", "gauge", "Cores of the site.", [](const auto& r) { return r.cores; });
  per_site("hansa_site_free_cores", "gauge", "Free cores of the site in its last snapshot.",
           [](const auto& r) { return r.free_cores; });
  per_site("hansa_site_quiet", "gauge", "Whether the site has quiet hours now.",
           [](const auto& r) { return std::int64_t{r.quiet_until.has_value()}; });
  per_site("hansa_site_breaker_open", "gauge", "Whether the site is left alone because it does not answer.",
           [](const auto& r) { return std::int64_t{r.breaker != engine::Breaker::State::closed}; });
  per_site("hansa_site_breaker_openings_total", "counter", "Times that the site was left alone since start.",
           [](const auto& r) { return r.times_left_alone; });
  const auto per_kind = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    out.family(name, type, help);
    for (const auto& report : *sites) {
      for (const auto& use : report.budget_use)
        out.sample(value(use), "site=\"" + label(report.site.id.str()) + "\",kind=\"" + label(use.kind) + "\"");
    }
  };
  per_kind("hansa_site_budget_used", "gauge", "What is used of the site's load budget: in the last minute, or at this moment.",
           [](const auto& use) { return use.used; });
  per_kind("hansa_site_budget_limit", "gauge", "The site's load budget.", [](const auto& use) { return use.limit; });
  per_kind("hansa_site_budget_held_back_total", "counter", "Calls that had to wait for the site's load budget since start.",
           [](const auto& use) { return use.held_back; });
  out.family("hansa_site_doctor_findings", "gauge", "Findings of the last report on the site, by verdict.");
  for (const auto& report : *sites) {
    if (!report.state.doctor) continue;
    for (const auto verdict : {domain::DoctorVerdict::ok, domain::DoctorVerdict::warning, domain::DoctorVerdict::fault,
                               domain::DoctorVerdict::not_checked}) {
      out.sample(static_cast<std::int64_t>(report.state.doctor->count(verdict)),
                 "site=\"" + label(report.site.id.str()) + "\",verdict=\"" + label(to_string(verdict)) + "\"");
    }
  }
  per_site("hansa_site_doctor_drift_total", "counter",
           "Findings that were found otherwise than by the report before, since start.", [](const auto& r) { return r.drifted; });
  auto text = std::move(out).text();
  if (parts.more_metrics) text += parts.more_metrics();
  co_return http::Response{.status = 200, .content_type = "text/plain; version=0.0.4; charset=utf-8", .body = std::move(text)};
}

async::Task<http::Response> openapi(Exchange exchange) { co_return json_answer(200, openapi_document(exchange.api.facts())); }

}  // namespace hansa::api
