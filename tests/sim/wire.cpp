// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/wire.hpp"

#include "broker/ports/task_statuses.hpp"

#include <algorithm>
#include <type_traits>

namespace hansa::sim {

using async::Deadline;
using async::Task;

namespace {

constexpr Milliseconds kPatience{55'000};  // the broker's, with a look at a site

std::string brief(const ports::JobStatus& status) {
  return status.id.str() + "=" + (status.phase == ports::Phase::not_seen ? "?" : status.site_state) +
         (status.run > 0 ? "/" + std::to_string(status.run) : "") +
         (status.reason.code.empty() ? "" : "(" + status.reason.code + ")");
}
std::string brief(const domain::SiteSnapshot& s) {
  return std::to_string(s.running.size()) + " running, " + std::to_string(s.waiting.size()) + " waiting";
}
std::string brief(const ports::SubmitReceipt& receipt) { return receipt.site_job_id.str(); }
std::string brief(const ports::FindResult& found) {
  std::string text;
  for (const auto& s : found.sightings) text += s.tag.str().substr(26) + ":" + brief(s.status) + " ";
  return text + (found.queue_seen ? "" : "no queue ") + (found.history_seen ? "" : "no history");
}
std::string brief(const std::vector<ports::JobStatus>& all) {
  std::string text;
  for (const auto& status : all) text += brief(status) + " ";
  return text;
}
std::string brief(domain::CancelOutcome outcome) { return std::string(to_string(outcome)); }
std::string brief(const ports::SealOutcome& outcome) { return outcome.sealed ? "sealed" : "held by " + outcome.holder.str(); }
std::string brief(const ports::UsagePage& page) { return std::to_string(page.records.size()) + " records to " + page.next.text; }
std::string brief(const ports::OutputChunk& chunk) { return std::to_string(chunk.bytes.size()) + " bytes"; }

std::string brief(const std::vector<ports::FileFacts>& facts) { return std::to_string(facts.size()) + " files"; }
std::string brief(const ports::FileChunk& chunk) { return std::to_string(chunk.bytes.size()) + " bytes"; }
std::string brief(const domain::DoctorReport& report) { return std::to_string(report.findings.size()) + " findings"; }

template <class T>
std::unexpected<Error> no_answer() {
  if constexpr (std::is_same_v<T, ports::SubmitReceipt>)
    return fail(ErrorKind::unknown_outcome, "SUBMIT_UNKNOWN", "the site may have taken the job: no answer");
  return fail(ErrorKind::deadline_exceeded, "DEADLINE_EXCEEDED", "the site did not answer in time");
}

template <class T>
std::unexpected<Error> not_understood() {
  if constexpr (std::is_same_v<T, ports::SubmitReceipt>)
    return fail(ErrorKind::unknown_outcome, "SUBMIT_UNKNOWN", "the site may have taken the job: its answer was not understood");
  return fail(ErrorKind::internal, "SITE_GARBAGE", "the site's answer was not understood", "<html>502 Bad Gateway</html>");
}

/// What was done there, and not answered, in no time.
template <class T>
std::unexpected<Error> broken_off(const char* why) {
  if constexpr (std::is_same_v<T, ports::SubmitReceipt>)
    return fail(ErrorKind::unknown_outcome, "SUBMIT_UNKNOWN", std::string("the site may have taken the job: ") + why);
  return fail(ErrorKind::unavailable, "SITE_DOWN", why);
}

/// It says no, whatever it did.
template <class T>
std::unexpected<Error> said_no() {
  if constexpr (std::is_same_v<T, ports::SubmitReceipt>)
    return fail(ErrorKind::unknown_outcome, "SITE_REFUSED", "the site refused the job: Unspecified error");
  return fail(ErrorKind::unavailable, "SITE_DOWN", "the site answers with errors: Unspecified error");
}

/// A list of which the n-th record was not understood, and the others were.
template <class T>
Result<T> without_one(Result<T> answer, int n) {
  if (!answer) return answer;
  if constexpr (std::is_same_v<T, ports::FindResult>) {
    auto& all = answer->sightings;
    if (!all.empty()) all.erase(all.begin() + n % std::ssize(all));
    answer->queue_seen = answer->history_seen = false;
    return answer;
  } else if constexpr (std::is_same_v<T, std::vector<ports::JobStatus>>) {
    if (answer->empty()) return answer;
    auto& lost = (*answer)[static_cast<std::size_t>(n) % answer->size()];
    if (lost.tasks.size() > 1) {
      const auto all = lost.tasks.size();
      lost.tasks.erase(lost.tasks.begin() + n % std::ssize(lost.tasks));
      ports::sum_up(lost, all);
    } else {
      lost = {.id = lost.id};
    }
    return answer;
  } else {
    return not_understood<T>();
  }
}

/// The first half of an answer, as far as a connector can make something of it; else it was not understood.
template <class T>
Result<T> cut(Result<T> answer) {
  if (!answer) return answer;
  if constexpr (std::is_same_v<T, ports::FindResult>) {
    answer->sightings.resize(answer->sightings.size() / 2);
    answer->queue_seen = answer->history_seen = false;
    return answer;
  } else if constexpr (std::is_same_v<T, std::vector<ports::JobStatus>>) {
    const auto half = answer->size() / 2;
    for (std::size_t i = half; i < answer->size(); ++i) {
      auto tasks = std::move((*answer)[i].tasks);
      (*answer)[i] = {.id = (*answer)[i].id};
      if (i > half || tasks.empty()) continue;
      tasks.resize(tasks.size() / 2);  // of an array it ends between its tasks
      (*answer)[i].tasks = std::move(tasks);
    }
    return answer;
  } else {
    return not_understood<T>();
  }
}

class Wire final : public bottle::ForwardingConnector {
 public:
  Wire(std::unique_ptr<ports::SiteConnector> inner, std::string site, WireState& state, WireParts parts)
      : ForwardingConnector(std::move(inner)), site_(std::move(site)), state_(state), parts_(parts) {}

  Task<domain::SiteSnapshot> snapshot(Deadline d) override {
    auto snapshot = co_await pass<domain::SiteSnapshot>("snapshot", "", d, [this, d] { return inner().snapshot(d); });
    if (snapshot) parts_.auditor.words().rules_told(site_, parts_.process, snapshot->site_rules);
    co_return snapshot;
  }
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    parts_.auditor.submitting(site_, request);
    auto about = request.tag.str().substr(26);
    const auto job = request.job;
    const auto person = request.person;
    auto receipt = co_await pass<ports::SubmitReceipt>(
        "submit", std::move(about), d, [this, d, r = std::move(request)] { return inner().submit(r, d); }, person);
    if (!receipt && receipt.error().code == "SITE_RULES_DENY") parts_.auditor.words().vetoed(site_, parts_.process, job);
    co_return receipt;
  }
  Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, Deadline d) override {
    return pass<ports::FindResult>("find", std::to_string(wanted.size()), d,
                                   [this, d, w = std::move(wanted)] { return inner().find(w, d); });
  }
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    return pass<std::vector<ports::JobStatus>>("status", "", d, [this, d, j = std::move(jobs)] { return inner().status(j, d); });
  }
  Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, Deadline d) override {
    parts_.auditor.cancelling(site_, job, when);
    auto about = job.id.str() + " " + job.tag.str().substr(26);
    return pass<domain::CancelOutcome>("cancel", std::move(about), d,
                                       [this, d, job, when] { return inner().cancel(job, when, d); });
  }
  Task<ports::SealOutcome> seal(ports::Fence fence, Deadline d) override {
    return pass<ports::SealOutcome>("seal", fence.tag.str().substr(26), d, [this, d, fence] { return inner().seal(fence, d); });
  }
  Task<ports::UsagePage> usage(ports::UsageCursor from, Deadline d) override {
    return pass<ports::UsagePage>("usage", from.text, d, [this, d, from] { return inner().usage(from, d); });
  }
  Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                       Deadline d) override {
    return pass<ports::OutputChunk>("read_output", job.id.str(), d,
                                    [=, this] { return inner().read_output(job, stream, offset, limit, d); });
  }
  Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths, Deadline d) override {
    return pass<std::vector<ports::FileFacts>>("look_at", job.id.str(), d, [=, this] { return inner().look_at(job, paths, d); });
  }
  Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                   Deadline d) override {
    return pass<ports::FileChunk>("read_file", job.id.str(), d,
                                  [=, this] { return inner().read_file(job, path, offset, limit, d); });
  }
  Task<domain::DoctorReport> doctor(ports::DoctorRequest request, Deadline d) override {
    auto report =
        co_await pass<domain::DoctorReport>("doctor", "", d, [this, d, r = std::move(request)] { return inner().doctor(r, d); });
    if (report)
      parts_.auditor.words().looked_over(site_, report->findings);
    else
      parts_.auditor.words().look_failed(site_);
    co_return report;
  }

 private:
  template <class T>
  Task<T> pass(std::string what, std::string about, Deadline deadline, std::function<Task<T>()> call, Principal person = {}) {
    const int n = ++state_.calls[what];
    const auto at = state_.faults.find({what, n});
    const auto* fault = at == state_.faults.end() ? nullptr : at->second;
    count_windows(what);
    if (fault != nullptr) ++parts_.fired[static_cast<std::size_t>(fault->what)];
    const auto name = site_ + " " + what + " " + std::to_string(n) + " " + about;
    parts_.trace.add(name + (fault == nullptr ? "" : " ! " + std::string(to_string(fault->what))));
    // A look at a site is to end by itself a little before its caller's deadline.
    const Deadline judged{deadline.at + (what == "doctor" ? std::min(kPatience, parts_.call_timeout) / 10 : Milliseconds{0})};
    // Cut off at its deadline it comes back as cancelled, or not at all.
    struct Unanswered {
      Wire& wire;
      std::string_view what;
      Deadline deadline;
      bool hurried;  // by the broker's own line: cut off, it says nothing of the site
      bool told = false;
      void tell(const Error* error) {
        told = true;
        if (hurried && error != nullptr && deadline.passed(wire.parts_.time)) return;
        wire.parts_.auditor.words().answered(wire.site_, wire.parts_.process, what, error);
      }
      ~Unanswered() {
        const auto none = no_answer<T>();
        if (!told) tell(&none.error());
      }
    } unanswered{*this, what, judged,
                 judged.remaining(parts_.time) * 2 < (what == "submit" ? parts_.submit_timeout : parts_.call_timeout)};
    auto answer = fault == nullptr ? co_await call() : co_await spoilt<T>(*fault, deadline, std::move(call), std::move(person));
    if (!answer && answer.error().code == "OVER_BUDGET") ++parts_.fired[static_cast<std::size_t>(What::over_budget)];
    if (answer || answer.error().kind != ErrorKind::cancelled) unanswered.tell(answer ? nullptr : &answer.error());
    parts_.trace.add(name + " -> " + (answer ? brief(*answer) : answer.error().code));
    co_return answer;
  }

  template <class T>
  Task<T> spoilt(const Item& fault, Deadline deadline, std::function<Task<T>()> call, Principal person) {
    const auto wait = [this, deadline](Milliseconds time) {
      return parts_.time.sleep_until(std::min(parts_.time.now_monotonic() + time, deadline.at));
    };
    switch (fault.what) {
      case What::connection_refused: co_return fail(ErrorKind::unavailable, "SITE_DOWN", "the site refuses the connection");
      case What::reply_lost: {
        (void)co_await call();
        co_await wait(fault.lasts);
        co_return no_answer<T>();
      }
      case What::reply_delayed: {
        auto answer = co_await call();
        co_await wait(fault.lasts);
        if (deadline.passed(parts_.time)) co_return no_answer<T>();
        co_return answer;
      }
      case What::reply_truncated: co_return cut<T>(co_await call());
      case What::record_lost: co_return without_one<T>(co_await call(), fault.n);
      case What::gateway_timeout: (void)co_await call(); co_return broken_off<T>("504 Gateway Time-out");
      case What::errors_in_200: (void)co_await call(); co_return said_no<T>();
      case What::cable_cut:
      case What::login_cut:
        (void)co_await call();
        parts_.struck(fault, person);
        co_return broken_off<T>("the connection broke");
      case What::request_twice: {
        auto first = co_await call();
        auto second = co_await call();
        // Who has sent once does not say "nothing left here" because the second copy met a closed door.
        if (std::is_same_v<T, ports::SubmitReceipt> && !second) second = no_answer<T>();
        co_return fault.n % 2 == 0 ? std::move(first) : std::move(second);
      }
      default: break;
    }
    (void)co_await call();
    co_return not_understood<T>();
  }

  static bool reads_files(std::string_view what) { return what == "read_output" || what == "look_at" || what == "read_file"; }

  void count_windows(std::string_view what) {
    const bool submit = what == "submit";
    const bool history = what == "find" || what == "status" || what == "usage";
    for (const auto window : state_.windows) {
      const bool concerned =
          window == What::site_down || window == What::site_silent || window == What::site_mute || window == What::site_slow ||
          (window == What::queue_off && what != "usage" && what != "seal" && !reads_files(what)) ||
          (submit && (window == What::accepts_late || window == What::max_jobs || window == What::site_refuses)) ||
          (history && (window == What::history_off || window == What::history_lags || window == What::history_empty));
      if (concerned) ++parts_.fired[static_cast<std::size_t>(window)];
    }
  }

  std::string site_;
  WireState& state_;
  WireParts parts_;
};

}  // namespace

std::unique_ptr<ports::SiteConnector> wired(std::unique_ptr<ports::SiteConnector> inner, std::string site, WireState& state,
                                            WireParts parts) {
  return std::make_unique<Wire>(std::move(inner), std::move(site), state, parts);
}

}  // namespace hansa::sim
