// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/supervise.hpp"

#include "connectors/local/files.hpp"
#include "connectors/local/process_table.hpp"
#include "connectors/local/records.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace hansa::connectors::local {

namespace {

using Steady = std::chrono::steady_clock;

constexpr auto kGrace = std::chrono::seconds{kGraceSeconds};
constexpr auto kGiveUp = std::chrono::seconds{60};          // on processes that SIGKILL does not end (a dead file system)
constexpr auto kBetweenKills = std::chrono::milliseconds{20};
constexpr auto kBetweenWrites = std::chrono::seconds{1};

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);
  return set;
}

/// Sleeps until one of the watched (and blocked) signals or `until`; which signal, or 0.
int wait_for_signal(Steady::time_point until) {
  const auto left = std::max(until - Steady::now(), Steady::duration{0});
  const auto whole = std::chrono::floor<std::chrono::seconds>(std::min<Steady::duration>(left, std::chrono::hours{1}));
  timespec time{};
  time.tv_sec = whole.count();
  time.tv_nsec = left > std::chrono::hours{1} ? 0 : std::chrono::nanoseconds(left - whole).count();
  const auto set = watched_signals();
  const int got = ::sigtimedwait(&set, nullptr, &time);
  return got > 0 ? got : 0;
}

class Supervisor {
 public:
  Supervisor(Descriptor folder, std::string path, JobRecord job)
      : folder_(std::move(folder)), path_(std::move(path)), job_(std::move(job)) {}

  /// Everything up to the script's first step. The Error's message is for the caller's stderr.
  Result<void> start();
  void run();

 private:
  [[noreturn]] void become_script(int go, int failed) const;
  void reap();
  void signal_all(int number) const;
  void end_all();
  void keep_result(const ResultRecord& result) const;

  Descriptor folder_;
  std::string path_;
  JobRecord job_;
  Descriptor work_dir_;
  Descriptor out_;
  Descriptor err_;
  pid_t script_ = 0;
  Steady::time_point started_{};
  StartRecord start_;
  std::string launch_error_;
  std::optional<int> script_status_;
  bool have_children_ = true;
};

Result<void> Supervisor::start() {
  auto work_dir = open_directory(job_.launch.work_dir);
  if (!work_dir) return std::unexpected(std::move(work_dir.error()));
  work_dir_ = std::move(*work_dir);
  constexpr int kAppend = O_WRONLY | O_CREAT | O_APPEND;
  auto out = open_beneath(work_dir_.get(), job_.launch.out, kAppend);
  auto err = open_beneath(work_dir_.get(), job_.launch.err, kAppend);
  if (!out) return std::unexpected(std::move(out.error()));
  if (!err) return std::unexpected(std::move(err.error()));
  out_ = std::move(*out);
  err_ = std::move(*err);

  std::array<int, 2> go{};
  std::array<int, 2> failed{};
  if (::pipe2(go.data(), O_CLOEXEC) != 0 || ::pipe2(failed.data(), O_CLOEXEC) != 0)
    return system_error(errno, "cannot make a pipe");
  Descriptor go_read(go[0]);
  Descriptor go_write(go[1]);
  Descriptor failed_read(failed[0]);
  Descriptor failed_write(failed[1]);
  script_ = ::fork();
  if (script_ < 0) return system_error(errno, "cannot start a process");
  if (script_ == 0) {
    ::close(go_write.release());  // else it would wait for itself
    become_script(go_read.get(), failed_write.get());
  }
  go_read = Descriptor();
  failed_write = Descriptor();

  const auto myself = process_entry(::getpid());
  if (!myself) return system_error(ESRCH, "cannot find this process in /proc");
  start_ = {.supervisor = ::getpid(),
            .supervisor_started = myself->started,
            .payload = script_,
            .boot_id = boot_id(),
            .started_at = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now())};
  started_ = Steady::now();
  // The script waits for `go`. If this fails or we die here, it reads the pipe's end instead and nothing has run.
  if (auto kept = write_file(folder_.get(), kStartedFile, canonical_json(to_json(start_))); !kept) {
    go_write = Descriptor();
    ::waitpid(script_, nullptr, 0);
    return kept;
  }
  if (::write(go_write.get(), "g", 1) != 1) launch_error_ = "the script's process died before its start";
  go_write = Descriptor();

  int error = 0;  // exec closes the pipe; a failure before it is written into it
  ssize_t got = 0;
  do { got = ::read(failed_read.get(), &error, sizeof error); } while (got < 0 && errno == EINTR);
  if (got == sizeof error) launch_error_ = "the script cannot be executed: " + std::generic_category().message(error);
  return {};
}

void Supervisor::become_script(int go, int failed) const {
  // The only code between fork and exec; this process has one thread, so anything may be called.
  const auto give_up = [failed](int error) {
    (void)!::write(failed, &error, sizeof error);
    ::_exit(127);
  };
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // with the supervisor gone nobody would end it at its limit
  ::setsid();
  char byte = 0;
  if (::read(go, &byte, 1) != 1) ::_exit(127);

  std::vector<std::string> texts;
  for (const auto& [name, value] : job_.launch.environment) texts.push_back(name + "=" + value);
  texts.push_back(std::string(kJobVariable) + "=" + path_);
  texts.push_back(std::string(kIdVariable) + "=" + std::to_string(job_.id));
  std::vector<char*> environment;
  for (auto& text : texts) environment.push_back(text.data());
  environment.push_back(nullptr);
  std::string script = path_ + "/" + kScriptFile;
  std::array<char*, 2> arguments{script.data(), nullptr};

  if (::fchdir(work_dir_.get()) != 0) give_up(errno);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::dup2(out_.get(), STDOUT_FILENO) < 0 || ::dup2(err_.get(), STDERR_FILENO) < 0) give_up(errno);
  // open_beneath opens without blocking, for the sake of FIFOs; a script expects its output to block.
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  // ETXTBSY: a child of the broker, between its fork and its exec, may still hold the descriptor that wrote the script.
  for (int attempt = 0; attempt < 100; ++attempt) {
    ::execve(script.c_str(), arguments.data(), environment.data());
    if (errno != ETXTBSY) break;
    const timespec pause{.tv_sec = 0, .tv_nsec = 20'000'000};
    ::nanosleep(&pause, nullptr);
  }
  give_up(errno);
  ::_exit(127);
}

void Supervisor::reap() {
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno != EINTR)) {
      have_children_ = ended == 0;
      return;
    }
    if (ended == script_) script_status_ = status;
  }
}

void Supervisor::signal_all(int number) const {
  for (const auto& process : descendants_of(::getpid())) ::kill(process.pid, number);
}

void Supervisor::end_all() {
  signal_all(SIGTERM);
  signal_all(SIGCONT);  // a stopped process hears SIGTERM only when it goes on
  const auto kill_at = Steady::now() + kGrace;
  while (have_children_ && Steady::now() < kill_at) {
    wait_for_signal(kill_at);
    reap();
  }
  const auto give_up_at = Steady::now() + kGiveUp;
  while (have_children_ && Steady::now() < give_up_at) {
    signal_all(SIGKILL);  // again and again: they may fork faster than one look sees
    wait_for_signal(Steady::now() + kBetweenKills);
    reap();
  }
}

void Supervisor::keep_result(const ResultRecord& result) const {
  // On a full disk the truth is worth more than the slot: it waits for space. Nothing else gets better by waiting, a
  // removed folder least of all: without a result the connector says that the supervisor was lost.
  while (true) {
    const auto kept = write_file(folder_.get(), kResultFile, canonical_json(to_json(result)));
    if (kept || (kept.error().kind != ErrorKind::storage_full && kept.error().kind != ErrorKind::unavailable)) return;
    const auto next = Steady::now() + kBetweenWrites;
    while (Steady::now() < next) wait_for_signal(next);
  }
}

void Supervisor::run() {
  const auto limit = started_ + job_.spec.time_limit;
  ResultRecord result{.started_at = start_.started_at, .launch_error = launch_error_};
  while (!script_status_) {
    const int signal = wait_for_signal(limit);
    reap();
    if (script_status_ || !have_children_) break;
    if (signal == SIGTERM) {
      result.cancelled = exists(folder_.get(), kCancelFile);
      result.interrupted = !result.cancelled;
    } else if (Steady::now() >= limit) {
      result.timed_out = true;
    } else {
      continue;
    }
    end_all();
    break;
  }
  reap();
  if (have_children_) end_all();  // what the script left behind

  result.ended_at = start_.started_at + std::chrono::floor<Milliseconds>(Steady::now() - started_);
  if (have_children_) result.survivors = static_cast<std::int32_t>(descendants_of(::getpid()).size());
  if (script_status_ && launch_error_.empty()) {
    if (WIFEXITED(*script_status_)) result.exit_code = WEXITSTATUS(*script_status_);
    if (WIFSIGNALED(*script_status_)) result.signal = WTERMSIG(*script_status_);
  }
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  const auto milliseconds = [](const timeval& t) { return Milliseconds{t.tv_sec * 1000 + t.tv_usec / 1000}; };
  result.user_time = milliseconds(used.ru_utime);
  result.system_time = milliseconds(used.ru_stime);
  keep_result(result);
}

/// In the background process: tells the caller through `answer` how it went, then goes on alone.
int supervise(const std::string& path, int answer) {
  const auto tell = [answer](int code, const std::string& words) {
    std::string text(1, static_cast<char>(code));
    text += words;
    (void)!::write(answer, text.data(), text.size());
    ::close(answer);
    return code;
  };
  auto folder = open_directory(path);
  if (!folder) return tell(kNotStarted, folder.error().message);
  const Descriptor lock(::openat(folder->get(), kLockFile, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) return tell(kNotStarted, system_error(errno, "cannot open the job's lock").error().message);
  const auto locked = try_lock(lock);
  if (!locked) return tell(kNotStarted, locked.error().message);
  // Under the lock: the connector cancels a waiting job under it, too.
  if (!*locked || exists(folder->get(), kStartedFile) || exists(folder->get(), kEndedFile)) return tell(kStartedBefore, "");

  const auto text = read_file(folder->get(), kJobFile);
  if (!text) return tell(kNotStarted, text.error().message);
  auto job = job_record(*text);
  if (!job) return tell(kNotStarted, job.error().message);

  Supervisor supervisor(std::move(*folder), path, std::move(*job));
  if (auto started = supervisor.start(); !started) return tell(kNotStarted, started.error().message);
  tell(kSupervising, "");
  supervisor.run();
  return kSupervising;
}

}  // namespace

int supervise_in_background(const std::string& job_folder) {
  std::array<int, 2> answer{};
  if (::pipe2(answer.data(), O_CLOEXEC) != 0) return kNotStarted;
  const Descriptor read_end(answer[0]);
  Descriptor write_end(answer[1]);
  const auto complain = [](std::string_view words) {
    (void)!::write(STDERR_FILENO, words.data(), words.size());
    (void)!::write(STDERR_FILENO, "\n", 1);
  };

  const pid_t background = ::fork();
  if (background < 0) {
    complain("cannot start a process: " + std::generic_category().message(errno));
    return kNotStarted;
  }
  if (background == 0) {
    ::umask(077);
    ::setsid();  // out of reach of the signals to the broker's session and to its child's process group
    const auto set = watched_signals();
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGCHLD, SIG_DFL);
    for (const int ignored : {SIGHUP, SIGINT, SIGPIPE, SIGQUIT}) ::signal(ignored, SIG_IGN);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const int null = ::open("/dev/null", O_RDWR);  // the caller reads our output to its end
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, fd);
    if (null > STDERR_FILENO) ::close(null);
    return supervise(job_folder, write_end.release());
  }
  write_end = Descriptor();
  std::string words;
  std::array<char, 512> buffer{};
  for (ssize_t got = 0; (got = ::read(read_end.get(), buffer.data(), buffer.size())) != 0;) {
    if (got > 0)
      words.append(buffer.data(), static_cast<std::size_t>(got));
    else if (errno != EINTR)
      break;
  }
  if (words.empty()) {
    complain("the supervisor died at its start");
    return kNotStarted;
  }
  if (words.size() > 1) complain(std::string_view(words).substr(1));
  return words.front();
}

}  // namespace hansa::connectors::local
