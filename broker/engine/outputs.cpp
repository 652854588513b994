// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/outputs.hpp"

#include "broker/core/suggest.hpp"
#include "broker/engine/dossier.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;
using rules::Action;

namespace {

bool was_at_a_site(const Job& job) { return job.last_attempt() != nullptr && !job.last_attempt()->site_job_id.empty(); }

/// Why there is nothing to read, with what to do about it; none: it is a file.
Result<void> readable(const Job& job, const std::string& name, const std::string& path, ports::FileState state) {
  const auto refuse = [&](ErrorKind kind, std::string_view code, const std::string& why) {
    return fail(kind, code, "output " + name + " of job " + job.id.str() + ": " + path + " in its working folder " + why);
  };
  switch (state) {
    case ports::FileState::file: return {};
    case ports::FileState::missing:
      return refuse(ErrorKind::not_found, "OUTPUT_MISSING",
                    is_terminal(job.state)
                        ? "is not there: the job did not write it, or it was removed; see: hansa logs " + job.id.str()
                        : "is not there yet: the job is not over");
    case ports::FileState::folder:
      return refuse(ErrorKind::conflict, "OUTPUT_NOT_A_FILE",
                    "is a folder; have the job pack it (tar -czf NAME.tar.gz FOLDER) and name the archive as the output");
    case ports::FileState::special:
      return refuse(ErrorKind::conflict, "OUTPUT_NOT_A_FILE", "is no regular file (a pipe, a socket or a device)");
    case ports::FileState::link:
      return refuse(
          ErrorKind::permission_denied, "OUTPUT_IS_LINK",
          "is a symbolic link, or lies behind one, and links are not followed; have the job copy the file there (cp -L)");
    case ports::FileState::unreadable: break;
  }
  return refuse(ErrorKind::permission_denied, "OUTPUT_UNREADABLE",
                "may not be read by the account that the job ran as; have the job give it the permission (chmod u+r)");
}

}  // namespace

async::Task<std::vector<std::string>> Outputs::obligations_of(JobId job, SiteId site) const {
  const auto decision = co_await context_.jobs.decision(job);
  if (!decision && decision.error().kind == ErrorKind::not_found) co_return std::vector<std::string>{};
  if (!decision) co_return std::unexpected(decision.error());
  const auto verdict = std::ranges::find(decision->verdicts, site, &Verdict::site);
  if (verdict == decision->verdicts.end() || !verdict->rules) co_return std::vector<std::string>{};
  co_return verdict->rules->obligations;
}

async::Task<Outputs::Source> Outputs::source_of(Job job, Action leaving) const {
  if (!was_at_a_site(job)) {
    co_return fail(ErrorKind::not_found, "NO_OUTPUT", "job " + job.id.str() + " has not been at a site, it has no output");
  }
  const auto& attempt = *job.last_attempt();
  auto* desk = context_.desk(attempt.site);
  if (desk == nullptr) {
    co_return fail(ErrorKind::not_found, "SITE_GONE", "site " + attempt.site.str() + " is no longer configured at this broker");
  }
  const auto dossier = co_await open_dossier(&context_, job.owner, job.spec.datasets);
  if (!dossier) co_return std::unexpected(dossier.error());
  const auto obligations = co_await obligations_of(job.id, attempt.site);
  if (!obligations) co_return std::unexpected(obligations.error());
  const auto now = context_.scheduler.now_utc();
  if (auto may = context_.rules.may_leave(leaving, job.owner, job.spec, *dossier, attempt.site, *obligations, now); !may)
    co_return std::unexpected(may.error());
  co_return Source{.desk = desk, .job = site_job(job, attempt)};
}

async::Task<ports::OutputChunk> Outputs::read_stream(Job job, std::optional<std::int32_t> task, ports::Stream stream,
                                                     std::uint64_t offset, std::size_t limit, async::Deadline deadline) const {
  auto source = co_await source_of(std::move(job), Action::log_export);
  if (!source) co_return std::unexpected(source.error());
  source->job.tasks.clear();
  if (task) source->job.tasks = {*task};
  co_return co_await source->desk->call<ports::OutputChunk>(
      CallKind::read, deadline, [&](ports::SiteConnector& connector, async::Deadline until) {
        return connector.read_output(source->job, stream, offset, limit, until);
      });
}

async::Task<std::vector<ports::FileFacts>> Outputs::look(Job job, async::Deadline deadline) const {
  std::vector<std::string> paths;
  for (const auto& [name, path] : job.spec.outputs) paths.push_back(path);
  if (paths.empty() || !was_at_a_site(job)) co_return std::vector<ports::FileFacts>(paths.size());
  const auto source = co_await source_of(std::move(job), Action::stage_out);
  if (!source) co_return std::unexpected(source.error());
  co_return co_await source->desk->call<std::vector<ports::FileFacts>>(
      CallKind::read, deadline,
      [&](ports::SiteConnector& connector, async::Deadline until) { return connector.look_at(source->job, paths, until); });
}

async::Task<ports::FileChunk> Outputs::read(Job job, std::string name, std::uint64_t offset, std::size_t limit,
                                            async::Deadline deadline) const {
  const auto named = job.spec.outputs.find(name);
  if (named == job.spec.outputs.end()) {
    std::vector<std::string_view> names;
    for (const auto& [known, path] : job.spec.outputs) names.push_back(known);
    co_return fail(ErrorKind::not_found, "NO_SUCH_OUTPUT",
                   "job " + job.id.str() + " names no output \"" + name + "\"" + did_you_mean(name, names) +
                       "; see: hansa fetch --list " + job.id.str());
  }
  const auto source = co_await source_of(job, Action::stage_out);
  if (!source) co_return std::unexpected(source.error());
  auto chunk = co_await source->desk->call<ports::FileChunk>(
      CallKind::read, deadline, [&](ports::SiteConnector& connector, async::Deadline until) {
        return connector.read_file(source->job, named->second, offset, limit, until);
      });
  if (!chunk) co_return chunk;
  if (auto there = readable(job, name, named->second, chunk->facts.state); !there) co_return std::unexpected(there.error());
  co_return chunk;
}

}  // namespace hansa::engine
