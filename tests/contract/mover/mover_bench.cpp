// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/mover/mover_bench.hpp"

#include "broker/core/digest.hpp"
#include "broker/domain/manifest.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace hansa::contract {

using connectors::mover::FolderRoot;
using connectors::mover::Root;
using connectors::mover::Tool;
using domain::TransferPhase;
using domain::TransferStatus;

namespace {

constexpr Seconds kPatience{300};  // for a machine that has much else to do

}  // namespace

std::string random_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  async::SystemRandom().fill(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

std::size_t everyday_or_soak(std::size_t everyday, std::size_t soak) {
  return std::getenv("HANSA_SOAK") == nullptr ? everyday : soak;
}

std::vector<Ends> one_way_everyday() {
  auto ways = ends_under_test();
  ways.resize(everyday_or_soak(1, ways.size()));
  return ways;
}

std::vector<Ends> both_ways_with_rclone() {
  return tool_under_test() == connectors::mover::Tool::rclone ? ends_under_test() : one_way_everyday();
}

namespace {

/// Started once: most of what a case costs otherwise.
SshServer& shared_server() {
  struct Folder {
    Folder() : path(fs::temp_directory_path() / ("hansa-mover-sshd-" + std::to_string(::getpid()))) {}
    ~Folder() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    fs::path path;
  };
  static const Folder folder;
  static SshServer server(folder.path);
  return server;
}

}  // namespace

MoverBench::MoverBench(Ends ends, const fs::path& beneath) : ends_(ends) {
  std::string pattern = beneath / "hansa-mover-XXXXXX";
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
  fs::create_directory(from());
  fs::create_directory(to());
  if (ends == Ends::to_ssh || ends == Ends::from_ssh) server_ = &shared_server();
  if (ends == Ends::from_webdav) webdav_ = std::make_unique<WebdavServer>(folder_);
  const auto tool = tool_under_test();
  options_ = {.program = HANSA_MOVE_RUN,
              .spool = folder_ / "spool",
              .tool = tool,
              .tool_program = tool == Tool::rclone  ? "/usr/bin/rclone"
                              : tool == Tool::rsync ? "/usr/bin/rsync"
                                                    : HANSA_SOURCE_DIR "/tests/contract/mover/copying_plugin.py",
              .roots = roots(),
              .person = Principal("broker:test")};
  if (!by_jobs_under_test()) return;
  auto site = test::options_in(folder_ / "site");
  fs::create_directory(folder_ / "site");
  site_ = std::make_unique<test::LocalSite>(site);
}

std::map<std::pair<SiteId, domain::RootName>, Root> MoverBench::roots() const {
  const auto root = [&](Ends remote, const fs::path& folder) {
    if (ends_ == Ends::from_webdav && remote == Ends::from_ssh) return Root(webdav_->root("from"));
    return ends_ == remote ? Root(server_->root(folder)) : Root(FolderRoot{.folder = folder});
  };
  return {{{SiteId("alpha"), domain::RootName("data")}, root(Ends::from_ssh, from())},
          {{SiteId("beta"), domain::RootName("data")}, root(Ends::to_ssh, to())}};
}

SshServer& MoverBench::server_of_its_own() {
  own_server_ = std::make_unique<SshServer>(folder_ / "sshd");
  server_ = own_server_.get();
  options_.roots = roots();
  return *server_;
}

namespace {

/// The processes that have this text among their arguments, save ourselves.
std::vector<pid_t> processes_with(const std::string& argument) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto name = entry.path().filename().string();
    if (!std::ranges::all_of(name, [](unsigned char c) { return c >= '0' && c <= '9'; })) continue;
    std::ostringstream line;
    line << std::ifstream(entry.path() / "cmdline").rdbuf();
    if (line.str().contains(argument) && std::stoi(name) != ::getpid()) found.push_back(std::stoi(name));
  }
  return found;
}

}  // namespace

std::vector<pid_t> MoverBench::processes() const {
  auto found = processes_with(folder_ / "spool");
  if (site_) std::ranges::copy(processes_with(folder_ / "site"), std::back_inserter(found));
  return found;
}

MoverBench::~MoverBench() {
  for (const auto pid : processes()) ::kill(pid, SIGKILL);
  for (int wait = 0; wait < 200 && !processes().empty(); ++wait) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  own_server_.reset();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void MoverBench::shut_gate() {
  const auto program = folder_ / "gate.sh";
  std::ofstream(program) << "#!/bin/sh\nwhile [ ! -e '" << (folder_ / "gate").string() << "' ]; do sleep 0.05; done\nexec "
                         << options_.tool_program << " \"$@\"\n";
  fs::permissions(program, fs::perms::owner_all);
  options_.tool_program = program;
}

void MoverBench::open_gate() { std::ofstream(folder_ / "gate") << ""; }

ports::Mover& MoverBench::new_mover(connectors::mover::MoverOptions options) {
  if (!site_) {
    movers_.push_back(std::make_unique<connectors::mover::CommandMover>(transport_, std::move(options)));
  } else {
    auto notes = options.spool + "-notes";
    movers_.push_back(
        std::make_unique<connectors::mover::JobMover>(site_->connector(), site_->scheduler(), log_,
                                                      connectors::mover::JobMoverOptions{.mover = std::move(options),
                                                                                         .site = SiteId("here"),
                                                                                         .queue = QueueName("local"),
                                                                                         .account = {},
                                                                                         .scheduler_account = {},
                                                                                         .notes = std::move(notes),
                                                                                         .look_interval = Milliseconds{1'000}}));
  }
  return *movers_.back();
}

ports::Mover& MoverBench::mover() { return new_mover(options_); }

ports::Mover& MoverBench::another_mover() {
  auto other = options_;
  other.spool += "-2";
  return new_mover(std::move(other));
}

domain::Content MoverBench::make(const std::string& path, const Files& files) {
  std::vector<domain::ManifestFile> manifest;
  for (const auto& [name, bytes] : files) {
    const auto at = from() / path / name;
    fs::create_directories(at.parent_path());
    std::ofstream file(at, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    REQUIRE(file.flush().good());
    manifest.push_back({.path = name, .size = {static_cast<std::int64_t>(bytes.size())}, .sha256 = sha256_hex(bytes)});
  }
  return domain::content_of(std::move(manifest));
}

domain::Transfer MoverBench::transfer(const std::string& path, const domain::Content& content) {
  return {.id = ids_.next(),
          .dataset = DatasetId("set"),
          .content = content,
          .from = {.site = SiteId("alpha"), .root = domain::RootName("data"), .path = path},
          .to = {.site = SiteId("beta"), .root = domain::RootName("data"), .path = path},
          .room = {}};
}

TransferStatus MoverBench::start(const domain::Transfer& transfer) {
  auto started = ask(mover().start(transfer, soon()));
  for (const auto until = scheduler_.now_monotonic() + kPatience;  // while one that has ended lets go of the destination
       !started && started.error().code == "DESTINATION_BUSY" && scheduler_.now_monotonic() < until;) {
    started = ask(mover().start(transfer, soon()));
  }
  INFO((started ? "" : started.error().code + ": " + started.error().message + " / " + started.error().detail));
  REQUIRE(started.has_value());
  return *started;
}

TransferStatus MoverBench::status(const domain::TransferId& id) {
  const auto told = ask(mover().status({id}, soon()));
  INFO((told ? "" : told.error().code + ": " + told.error().message + " / " + told.error().detail));
  REQUIRE(told.has_value());
  REQUIRE(told->size() == 1);
  return told->front();
}

TransferStatus MoverBench::follow(const domain::TransferId& id, const std::function<bool(const TransferStatus&)>& enough) {
  const auto until = scheduler_.now_monotonic() + kPatience;
  auto before = status(id);
  for (;;) {
    auto now = status(id);
    const auto progress = [](const TransferStatus& s) {
      return std::to_string(s.progress.bytes.value) + " bytes, " + std::to_string(s.progress.files) + " files";
    };
    INFO("from " << progress(before) << " to " << progress(now));
    REQUIRE(now.progress.bytes >= before.progress.bytes);
    REQUIRE(now.progress.files >= before.progress.files);
    REQUIRE(now.phase != TransferPhase::interrupted);
    if (now.phase == TransferPhase::ended || (enough && enough(now))) {
      if (now.outcome) UNSCOPED_INFO(to_string(now.outcome->end) << ": " << now.outcome->message << " / " << now.outcome->detail);
      return now;
    }
    REQUIRE(scheduler_.now_monotonic() < until);
    before = std::move(now);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void MoverBench::kill_supervisor(const domain::TransferId& id) {
  const auto all = processes_with(folder_ / "spool");
  const auto kill_all = [&](std::string_view program) {
    for (const auto pid : all) {
      std::error_code ignored;
      if (fs::read_symlink("/proc/" + std::to_string(pid) + "/exe", ignored).filename() == program) ::kill(pid, SIGKILL);
    }
  };
  kill_all("hansa-move-run");
  // A killed rsync's ssh stays for as long as the other end does: half a minute. It goes as well, as if the host had died.
  if (everyday_or_soak(1, 0) == 1) kill_all("ssh");
  const auto until = scheduler_.now_monotonic() + kPatience;
  for (;;) {
    const auto now = status(id);
    if (now.phase == TransferPhase::interrupted) return;
    if (now.phase == TransferPhase::ended) {
      FAIL("the transfer ended before it was killed (" << to_string(now.outcome->end) << "): this test must make it slower");
    }
    REQUIRE(scheduler_.now_monotonic() < until);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

fs::path MoverBench::staged(const domain::Transfer& transfer) const {
  const auto key = sha256_hex(transfer.to.path).substr(0, 32);
  return to() / ".hansa" / (key + ".copy") / transfer.content.hash.str().substr(0, 16);
}

bool MoverBench::has_nothing_but(const std::vector<std::string>& names) const {
  std::vector<std::string> there;
  for (const auto& entry : fs::directory_iterator(to())) {
    if (entry.path().filename() != ".hansa") {
      there.push_back(entry.path().filename());
    } else if (!fs::is_empty(entry.path())) {
      UNSCOPED_INFO("left in .hansa: " << fs::directory_iterator(entry.path())->path());
      return false;
    }
  }
  std::ranges::sort(there);
  for (const auto& name : there) UNSCOPED_INFO("there: " << name);
  return there == names;
}

}  // namespace hansa::contract
