// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/supervise.hpp"

#include "broker/core/canonical_json.hpp"
#include "connectors/mover/move.hpp"
#include "connectors/mover/spool.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>

namespace hansa::connectors::mover {
namespace {

using domain::TransferId;

constexpr Milliseconds kBetweenWords{500};
constexpr int kBetweenTriesMs = 1'000;  // of a job whose destination is another's
constexpr int kBusyTries = 60;

Result<void> write_job_status(int folder, const domain::TransferStatus& status, Keep keep) {
  return write_file(folder, kJobStatus, canonical_json(to_json(status)), keep);
}

/// Its word on the spool, not too often; and in a file for whoever cannot see that.
class SpoolWatch final : public Watch {
 public:
  /// `beside`: the folder of that file, or -1.
  SpoolWatch(const Taken& taken, const Clock& clock, int beside) : taken_(taken), clock_(clock), beside_(beside) {}

  void tell(domain::TransferPhase phase, const domain::TransferProgress& progress) override {
    progress_ = progress;
    const auto now = clock_.now_monotonic();
    if (phase == phase_ && now < next_) return;
    phase_ = phase;
    next_ = now + kBetweenWords;
    (void)Spool::record(taken_, phase, progress);  // a word that cannot be kept is one that nobody reads
    if (beside_ < 0) return;
    const auto& id = taken_.order.transfer.id;
    (void)write_job_status(beside_, {.id = id, .moved_by = id, .phase = phase, .progress = progress, .outcome = {}},
                           Keep::until_the_power_fails);
  }
  bool is_cancelled() override { return Spool::is_cancelled(taken_); }
  [[nodiscard]] const domain::TransferProgress& progress() const { return progress_; }

 private:
  const Taken& taken_;
  const Clock& clock_;
  int beside_;
  domain::TransferPhase phase_ = domain::TransferPhase::not_seen;
  domain::TransferProgress progress_;
  MonotonicTime next_{};
};

mode_t umask_of(const Root& root) {
  const auto* folder = std::get_if<FolderRoot>(&root);
  switch (folder == nullptr ? Readers::account : folder->readers) {
    case Readers::account: return 077;
    case Readers::group: return 027;
    case Readers::everyone: return 022;
  }
  return 077;
}

/// Without a result, whoever asks sees an interrupted transfer and starts it again, which finds out how far it came.
int supervise(const Taken& taken, const std::string& mover, const Clock& clock, int beside = -1) {
  ::umask(umask_of(taken.order.to));
  ::signal(SIGPIPE, SIG_IGN);  // libssh writes to a connection that may be gone
  try {
    SpoolWatch watch(taken, clock, beside);
    const auto outcome = move(taken.order, {.mover = mover, .folder = taken.folder, .lock = taken.lock.get()}, clock, watch);
    return Spool::record(taken, watch.progress(), outcome) ? 0 : 1;
  } catch (const std::exception&) { return 1; }
}

Result<void> supervise_in_background(const Taken& taken, const std::string& mover, const Clock& clock) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot start the supervisor of a transfer");
  const Descriptor read_end(pipe[0]);
  Descriptor write_end(pipe[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return system_error(errno, "cannot start the supervisor of a transfer");
  if (pid > 0) {
    // Whoever called us ends our process group once we are gone: the supervisor must have left it before.
    write_end = Descriptor();
    char byte = 0;
    while (::read(read_end.get(), &byte, 1) < 0 && errno == EINTR) {}
    return {};
  }
  ::setsid();  // out of reach of signals to the caller's session and process group
  write_end = Descriptor();
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere, standard);
  [[maybe_unused]] const int moved = ::chdir("/");
  ::_exit(supervise(taken, mover, clock));
}

Result<std::vector<TransferId>> ids_of(const Json& question) {
  std::vector<TransferId> ids;
  const auto list = question.find("ids");
  if (list != question.end() && list->is_array()) {
    for (const auto& entry : *list) {
      const auto id = entry.is_string() ? Ulid::parse(entry.get<std::string>()) : std::nullopt;
      if (!id) return fail(ErrorKind::invalid_argument, "BAD_TRANSFER_ID", "an id of a transfer is no ULID");
      ids.push_back(*id);
    }
  }
  return ids;
}

class Desk {
 public:
  Desk(Spool spool, const Clock& clock) : spool_(std::move(spool)), clock_(clock) {}

  Result<std::vector<TransferId>> act_on(const Json& question) {
    const auto what = question.find("do");
    const std::string word = what != question.end() && what->is_string() ? what->get<std::string>() : "";
    if (word == "start") return start(question);
    auto ids = ids_of(question);
    if (!ids || word == "status") return ids;
    for (const auto& id : *ids) {
      auto done = word == "cancel" ? cancel(id) : word == "forget" ? spool_.forget(id) : unknown(word);
      if (!done) return std::unexpected(std::move(done.error()));
    }
    return ids;
  }

  Result<Json> tell(const std::vector<TransferId>& ids) {
    Json transfers = Json::array();
    for (const auto& id : ids) {
      const auto status = spool_.status(id);
      if (!status) return std::unexpected(status.error());
      transfers.push_back(to_json(*status));
    }
    return Json{{"transfers", std::move(transfers)}};
  }

 private:
  Result<std::vector<TransferId>> start(const Json& question) {
    const auto at = question.find("order");
    if (at == question.end()) return fail(ErrorKind::invalid_argument, "BAD_QUESTION", "\"start\" has no order");
    const auto order = order_from_json(canonical_json(*at));
    if (!order) return std::unexpected(order.error());
    auto taken = spool_.start(*order);
    if (auto done = go_on_with(taken); !done) return std::unexpected(std::move(done.error()));
    return std::vector{order->transfer.id};
  }

  Result<void> cancel(const TransferId& id) {
    auto taken = spool_.cancel(id, clock_.now_utc());
    return go_on_with(taken);
  }

  Result<void> go_on_with(const Result<std::optional<Taken>>& taken) {
    if (!taken) return std::unexpected(taken.error());
    if (!*taken) return {};
    return supervise_in_background(**taken, spool_.mover(), clock_);
  }

  static Result<void> unknown(const std::string& word) {
    return fail(ErrorKind::invalid_argument, "BAD_QUESTION",
                "\"do\" is start, status, cancel or forget, not \"" + word.substr(0, 40) + "\"");
  }

  Spool spool_;
  const Clock& clock_;
};

Result<Json> answer_to(const std::string& path, std::string_view text, const Clock& clock, Random& random) {
  const auto question = parse_json(text);
  if (!question) return std::unexpected(question.error());
  auto spool = Spool::open(path, random);
  if (!spool) return std::unexpected(std::move(spool.error()));
  Desk desk(std::move(*spool), clock);
  const auto ids = desk.act_on(*question);
  if (!ids) return std::unexpected(ids.error());
  return desk.tell(*ids);
}

/// At the end kJobStatus has the outcome.
Result<void> do_as_job(JobTask task, Spool& spool, const Order& order, const Clock& clock, int here) {
  const auto& id = order.transfer.id;
  for (int busy = 0;;) {
    const auto taken = task == JobTask::move ? spool.start(order) : spool.cancel(id, clock.now_utc());
    if (!taken && taken.error().code == "TRANSFER_NOT_FOUND") {  // no job of it has come to copying
      const domain::TransferOutcome nothing{
          .end = domain::TransferEnd::cancelled, .message = "cancelled", .detail = {}, .at = clock.now_utc()};
      return write_job_status(
          here, {.id = id, .moved_by = id, .phase = domain::TransferPhase::ended, .progress = {}, .outcome = nothing},
          Keep::for_ever);
    }
    if (!taken && (taken.error().code != "DESTINATION_BUSY" || ++busy == kBusyTries)) return std::unexpected(taken.error());
    if (taken && *taken && supervise(**taken, spool.mover(), clock, here) != 0)
      return fail(ErrorKind::internal, "NO_RESULT", "the result of this transfer could not be kept in its spool");
    const auto status = spool.status(id);
    if (!status) return std::unexpected(status.error());
    const bool over = status->phase == domain::TransferPhase::ended;
    if (over || taken) {
      if (auto told = write_job_status(here, *status, over ? Keep::for_ever : Keep::until_the_power_fails); !told) return told;
    }
    if (over) return spool.forget(id);  // who asks again finds out from the destination
    // Another one is at it: of the same work, or an earlier job of this transfer's on a node that its scheduler has given up.
    ::poll(nullptr, 0, kBetweenTriesMs);
  }
}

}  // namespace

int run_as_job(JobTask task, const std::string& spool, const Order& order, const Clock& clock, Random& random) {
  const auto complain = [](const Error& error) {
    std::fprintf(stderr, "hansa-move-run: %s%s%s\n", error.message.c_str(), error.detail.empty() ? "" : ": ",
                 error.detail.c_str());
    return kExitNotOver;
  };
  const Descriptor here(::open(".", O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  if (!here) return complain(system_error(errno, "cannot open the working folder").error());
  auto opened = Spool::open(spool, random);
  if (!opened) return complain(opened.error());
  const auto done = do_as_job(task, *opened, order, clock, here.get());
  return done ? 0 : complain(done.error());
}

Answer answer(const std::string& spool, std::string_view question, const Clock& clock, Random& random) {
  const auto given = answer_to(spool, question, clock, random);
  if (given) return {.text = canonical_json(*given), .is_error = false};
  const auto& error = given.error();
  const Json told{{"kind", to_string(error.kind)}, {"code", error.code}, {"message", error.message}, {"detail", error.detail}};
  return {.text = canonical_json({{"error", told}}), .is_error = true};
}

}  // namespace hansa::connectors::mover
