// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurmrest/api_version.hpp"

#include "connectors/batch/answers.hpp"

#include <algorithm>
#include <set>

namespace hansa::connectors::slurmrest {

namespace {

/// The versions that have `what`: "v0.0.38" of "/slurm/v0.0.38/jobs", "/slurm/v0.0.45/jobs/".
std::set<std::string_view> serving(const JsonNode& paths, std::string_view daemon, std::string_view what) {
  std::set<std::string_view> found;
  for (const auto& member : paths.members()) {
    auto path = member.name;
    if (!path.starts_with('/')) continue;
    path.remove_prefix(1);
    if (batch::cut(path, '/') != daemon) continue;
    const auto version = batch::cut(path, '/');
    if (path.ends_with('/')) path.remove_suffix(1);
    if (path == what) found.insert(version);
  }
  return found;
}

std::string listed(const auto& names) {
  std::string text;
  for (const auto& name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text.empty() ? "none" : batch::words_of(text);
}

}  // namespace

Result<ApiVersion> choose_version(const JsonNode& openapi) {
  const auto* paths = openapi.find("paths");
  if (paths == nullptr || !paths->is_object()) {
    return fail(ErrorKind::internal, "SITE_GARBLED",
                "what answers at slurmrest.url sends no OpenAPI document: is it slurmrestd?");
  }
  auto served = serving(*paths, "slurm", "job/submit");
  const auto with_accounting = serving(*paths, "slurmdb", "jobs");
  std::erase_if(served, [&](std::string_view version) { return !with_accounting.contains(version); });
  const auto best =
      std::ranges::find_if(kSpoken.rbegin(), kSpoken.rend(), [&](ApiVersion v) { return served.contains(v.str()); });
  if (best != kSpoken.rend()) return *best;
  std::vector<std::string> spoken;
  for (const auto& version : kSpoken) spoken.push_back(version.str());
  return fail(ErrorKind::unavailable, "SITE_VERSION",
              "slurmrestd serves, with accounting, OpenAPI versions: " + listed(served) + "; this broker speaks " +
                  listed(spoken) + (served.contains("v0.0.39") ? " (0.0.39 does not tell which partitions are up)" : "") +
                  ": let it load a plug-in of one of these (slurmrestd -s, -d), or use connector = \"slurm\"");
}

}  // namespace hansa::connectors::slurmrest
