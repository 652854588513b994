// SPDX-License-Identifier: Apache-2.0
#include "connectors/batch/work_dirs.hpp"

#include "broker/domain/code_archive.hpp"
#include "connectors/transport/wrapper.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>

namespace hansa::connectors::batch {

using ports::Deadline;
using ports::SiteJob;
using ports::Task;

namespace {

using transport::Seen;

constexpr std::uint64_t kCodePiece = std::uint64_t{4} << 20;  // of one command: hansa-switch takes 8 MiB

/// As what certainly sent nothing of a job.
Error not_staged(Error error, std::string_view code = "CODE_NOT_STAGED", const std::string& what = "the job's code is") {
  if (error.kind == ErrorKind::cancelled || error.kind == ErrorKind::permission_denied || error.kind == ErrorKind::storage_full)
    return error;
  return {.kind = ErrorKind::unavailable,
          .code = std::string(code),
          .message = what + " not at the site yet: " + error.message,
          .detail = error.code + ": " + error.detail,
          .retryable = true};
}

/// Of what is at `whole`, beneath `root`, by what was seen there and at each folder on the way.
ports::FileFacts facts_of(const std::map<std::string, Seen>& seen, const std::string& root, const std::string& whole) {
  using enum ports::FileState;
  for (auto end = root.size();; end = std::min(whole.find('/', end + 1), whole.size())) {
    const auto at = seen.find(whole.substr(0, end));
    if (at == seen.end()) return {.state = missing, .size = 0, .version = {}};
    const auto& [kind, size, version] = at->second;
    if (kind == Seen::Kind::link) return {.state = link, .size = 0, .version = {}};
    const bool last = end == whole.size();
    if (last && kind == Seen::Kind::file) return {.state = file, .size = size, .version = version};
    if (last) return {.state = kind == Seen::Kind::folder ? folder : special, .size = 0, .version = {}};
    if (kind != Seen::Kind::folder) return {.state = missing, .size = 0, .version = {}};
  }
}

}  // namespace

std::string WorkDirs::path_of(const LocalAccount& account) const {
  auto path = pattern_;
  if (const auto at = path.find("{account}"); at != std::string::npos) {
    path.replace(at, 9, account.empty() ? own_account_ : account.str());
  }
  return path;
}

Task<> WorkDirs::prepare(LocalAccount account, Principal person, std::string tag, Deadline deadline) {
  if (prepared_.contains(account)) co_return Result<void>{};
  const transport::FilesAt files(transport_, account, std::move(person), std::move(tag));
  std::vector<std::string> folders{path_of(account)};
  for (const auto& folder : transport::work_folders()) folders.push_back(folders.front() + '/' + folder);
  if (auto made = co_await files.make_directories(std::move(folders), deadline); !made) co_return std::unexpected(made.error());
  prepared_.insert(account);
  co_return Result<void>{};
}

Task<> WorkDirs::stage_code(LocalAccount account, Principal person, std::string tag, ports::Code code, Deadline deadline) {
  const transport::FilesAt files(transport_, account, std::move(person), std::move(tag));
  std::erase_if(turns_, [](const auto& turn) { return turn.second.expired(); });
  auto& known = turns_[{account, code.id}];
  auto turn = known.lock();
  if (!turn) known = turn = std::make_shared<Turn>(co_await boost::asio::this_coro::executor);
  while (turn->taken) {
    if (co_await turn->free.wait_until(scheduler_, deadline.at)) continue;
    if (!deadline.passed(scheduler_)) co_return std::unexpected(transport::caller_cancelled());
    co_return std::unexpected(not_staged(transport::deadline_passed()));
  }
  turn->taken = true;
  struct Leave {
    Turn& turn;
    ~Leave() {
      turn.taken = false;
      turn.free.set();
    }
  } leave{*turn};
  const auto digest = std::string(domain::digest_of(code.id));
  auto brought = co_await bring_code(&files, path_of(account) + '/' + transport::code_path(digest), &code, deadline);
  if (brought) co_return brought;
  if (brought.error().kind == ErrorKind::not_found) forget(account);  // the folder is gone
  co_return std::unexpected(not_staged(brought.error()));
}

Task<> WorkDirs::bring_code(const transport::FilesAt* files, std::string whole, const ports::Code* code, Deadline deadline) {
  const auto part = whole + '.' + site_.str() + ".part";  // of sites with one file system each has its own
  const auto seen = co_await files->look({whole, part}, deadline);
  if (!seen) co_return std::unexpected(seen.error());
  const auto size_of = [&](const std::string& path) {
    const auto at = seen->find(path);
    return at == seen->end() || at->second.kind != Seen::Kind::file ? std::uint64_t{0} : at->second.size;
  };
  if (size_of(whole) == code->size) co_return Result<void>{};
  // What came last before a cut may be torn: the digest tells, and then all of it comes anew.
  for (auto offset = std::min(size_of(part), code->size - 1) / kCodePiece * kCodePiece;; offset = 0) {
    const bool from_the_beginning = offset == 0;
    for (auto at = offset; at < code->size;) {
      auto bytes = co_await code->read(at, static_cast<std::size_t>(std::min(kCodePiece, code->size - at)));
      if (!bytes) co_return std::unexpected(bytes.error());
      if (bytes->empty()) co_return fail(ErrorKind::internal, "CODE_FILES", "the broker's copy of the code ends before its end");
      const auto next = at + bytes->size();
      auto written = co_await files->write_at(part, at, std::move(*bytes), next >= code->size, deadline);
      if (!written) co_return std::unexpected(written.error());
      at = next;
    }
    const auto digest = co_await files->sha256(part, deadline);
    if (!digest) co_return std::unexpected(digest.error());
    if (*digest == domain::digest_of(code->id)) break;
    if (from_the_beginning)
      co_return fail(ErrorKind::unavailable, "CODE_MISMATCH", "what arrived at the site is not " + code->id.str(), *digest);
  }
  co_return co_await files->rename(part, whole, deadline);
}

Task<> WorkDirs::bring_secrets(LocalAccount account, Principal person, Tag tag,
                               const std::vector<ports::DeliveredSecret>* secrets, Deadline deadline) {
  const transport::FilesAt files(transport_, account, std::move(person), tag.str());
  const auto folder = path_of(account) + '/' + transport::secrets_path(tag);
  auto brought = co_await files.make_directories({folder}, deadline);
  for (std::size_t i = 0; brought && i < secrets->size(); ++i) {
    const auto& [file, value] = (*secrets)[i];
    brought = co_await files.write_at(folder + '/' + file, 0, std::string(value.reveal()), true, deadline);
  }
  if (brought) co_return brought;
  if (brought.error().kind == ErrorKind::not_found) forget(account);  // the folder is gone
  co_return std::unexpected(not_staged(brought.error(), "SECRETS_NOT_STAGED", "the job's secrets are"));
}

Task<> WorkDirs::remove_secrets(SiteJob job, std::vector<std::string> files, Deadline deadline) {
  const transport::FilesAt at(transport_, job.account, job.person, job.tag.str());
  const auto folder = path_of(job.account) + '/' + transport::secrets_path(job.tag) + '/';
  // One question where there is nothing left to do, which is nearly always.
  std::vector<std::string> paths;
  for (const auto& file : files) paths.push_back(folder + file);
  const auto seen = co_await at.look(std::move(paths), deadline);
  if (!seen) co_return std::unexpected(seen.error());
  for (const auto& [path, what] : *seen) {
    if (what.kind != Seen::Kind::file || what.size == 0) continue;
    if (auto emptied = co_await at.empty_file(path, deadline); !emptied) co_return emptied;
  }
  co_return Result<void>{};
}

Task<ports::SealOutcome> WorkDirs::seal(ports::Fence fence, Deadline deadline) {
  const transport::FilesAt files(transport_, fence.account, fence.person, fence.tag.str());
  const auto path =
      path_of(fence.account) + '/' +
      (fence.whole_array ? transport::array_fence_path(fence.tag) : transport::fence_path(fence.tag, fence.task_index));
  for (bool again = false;; again = true) {
    if (auto prepared = co_await prepare(fence.account, fence.person, fence.tag.str(), deadline); !prepared) {
      co_return std::unexpected(prepared.error());
    }
    const auto link = co_await files.make_link(std::string(transport::kSealed), path, deadline);
    if (!link && link.error().kind == ErrorKind::not_found && !again) {  // the folder was removed since: made again, once
      forget(fence.account);
      continue;
    }
    if (!link) {
      auto error = link.error();
      if (error.kind == ErrorKind::unknown_outcome) error.kind = ErrorKind::unavailable;  // sealing may be repeated
      error.retryable = error.retryable || error.kind == ErrorKind::unavailable;
      co_return std::unexpected(std::move(error));
    }
    if (link->target == transport::kSealed) co_return ports::SealOutcome{.sealed = true, .holder = {}};
    auto holder = transport::holder_of(link->target);
    if (holder.empty()) {
      co_return fail(ErrorKind::internal, "FENCE_GARBLED",
                     "the fence of " + fence.tag.str() + " is held by something that is no job", link->target);
    }
    co_return ports::SealOutcome{.sealed = false, .holder = std::move(holder)};
  }
}

boost::asio::awaitable<ports::JobStatus> WorkDirs::explain_end(ports::SiteJob job, ports::JobStatus status, Deadline deadline) {
  if (status.reason.code == "LAUNCH_FAILED") forget(job.account);
  const auto code = status.exit_code.value_or(0);
  const bool untold = status.reason.code == "EXIT_CODE" && !status.exit_code;  // it may be any
  const bool of_wrapper = code >= transport::kExitDuplicate && code <= transport::kExitDeliveryFailed;
  if (status.outcome != domain::Outcome::failed || (!of_wrapper && !untold)) co_return status;
  const transport::FilesAt files(transport_, job.account, job.person, job.tag.str());
  const auto root = path_of(job.account) + '/';
  const auto task = status.task_index;
  const auto holder = job.tasks.empty() ? job.id : transport::task_id(job.id, task);
  auto note = co_await files.read_link(root + transport::refusal_path(job.tag, task, holder, status.run), deadline);
  if (note && !*note && code == transport::kExitDuplicate) {
    // It could not even leave its note (a full disk): then a fence in other hands says the same.
    note = co_await files.read_link(root + transport::fence_path(job.tag, task), deadline);
    if (note && !*note && !job.tasks.empty())
      note = co_await files.read_link(root + transport::array_fence_path(job.tag), deadline);
    if (note && *note) {
      const auto held_by = transport::holder_of(**note);
      if (held_by == holder || (!job.tasks.empty() && held_by == job.id)) co_return status;
      (*note)->insert(0, "DUPLICATE:");
    }
  }
  if (!note) {
    if (!note.error().retryable) co_return status;  // never to be read: the exit code is all there is
    // Out of reach for now: not told to be over before it is known how.
    co_return ports::JobStatus{.id = status.id,
                               .phase = ports::Phase::finishing,
                               .run = status.run,
                               .site_state = status.site_state,
                               .pending_reason = "",
                               .started_at = status.started_at,
                               .reason = {},
                               .task_index = status.task_index};
  }
  if (!*note) co_return status;
  forget(job.account);
  status.exit_code.reset();  // the wrapper's, not a payload's
  auto refusal = transport::read_refusal(**note);
  status.reason = {std::move(refusal.code), std::move(refusal.message)};
  co_return status;
}

Task<ports::OutputChunk> WorkDirs::read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                               Deadline deadline) {
  const transport::FilesAt files(transport_, job.account, job.person, job.tag.str());
  const bool errors = stream == ports::Stream::err;
  const auto path = path_of(job.account) + '/' +
                    (job.tasks.empty() ? transport::output_path(job.tag, errors)
                                       : transport::task_output_path(job.tag, std::to_string(job.tasks.front()), errors));
  auto bytes = co_await files.read_range(path, offset, std::max<std::size_t>(1, limit), deadline);
  if (!bytes) co_return std::unexpected(bytes.error());
  if (!*bytes) co_return ports::OutputChunk{.bytes = "", .next_offset = offset, .exists = false};
  if (limit == 0) (*bytes)->clear();
  ports::OutputChunk chunk{.bytes = std::move(**bytes), .next_offset = offset, .exists = true};
  chunk.next_offset += chunk.bytes.size();
  co_return chunk;
}

Task<std::vector<ports::FileFacts>> WorkDirs::look_at(SiteJob job, std::vector<std::string> paths, Deadline deadline) {
  const transport::FilesAt files(transport_, job.account, job.person, job.tag.str());
  const auto folder = path_of(job.account) + '/' + transport::job_folder(job.tag);
  std::set<std::string> wanted{folder};  // each folder once, whatever the number of files in it
  for (const auto& path : paths) {
    const auto whole = folder + '/' + path;
    for (auto end = folder.size() + 1; end < whole.size(); ++end) {
      end = std::min(whole.find('/', end), whole.size());
      wanted.insert(whole.substr(0, end));
    }
  }
  const auto seen = co_await files.look({wanted.begin(), wanted.end()}, deadline);
  if (!seen) co_return std::unexpected(seen.error());
  std::vector<ports::FileFacts> facts;
  for (const auto& path : paths) facts.push_back(facts_of(*seen, folder, folder + '/' + path));
  co_return facts;
}

Task<ports::FileChunk> WorkDirs::read_file(SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                           Deadline deadline) {
  const transport::FilesAt files(transport_, job.account, job.person, job.tag.str());
  const auto whole = path_of(job.account) + '/' + transport::job_folder(job.tag) + '/' + path;
  auto bytes = co_await files.read_range(whole, offset, std::max<std::size_t>(1, limit), deadline);
  const bool refused = !bytes && bytes.error().code.starts_with("FILE_") && bytes.error().kind != ErrorKind::internal;
  if (!bytes && !refused) co_return std::unexpected(bytes.error());
  // Looked at afterwards: what was read counts only if no link led there, and is that of the version that is told.
  auto facts = co_await look_at(std::move(job), {std::move(path)}, deadline);
  if (!facts) co_return std::unexpected(facts.error());
  ports::FileChunk chunk{.bytes = {}, .facts = std::move(facts->front())};
  if (chunk.facts.state != ports::FileState::file) co_return chunk;
  if (!bytes) {
    chunk.facts = {.state = ports::FileState::unreadable, .size = 0, .version = {}};
  } else if (!*bytes) {
    auto error = fail(ErrorKind::unavailable, "FILE_CHANGED", "the file appeared while it was looked at; try again");
    error.error().retryable = true;
    co_return error;
  } else if (limit > 0) {
    chunk.bytes = std::move(**bytes);
  }
  co_return chunk;
}

}  // namespace hansa::connectors::batch
