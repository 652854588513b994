// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/dossier.hpp"

#include <algorithm>

namespace hansa::engine {

async::Task<Dossier> open_dossier(const Context* context, Principal person, std::vector<DatasetId> datasets) {
  Dossier dossier;
  if (datasets.empty()) co_return dossier;
  const auto projects = context->accounts.projects_of(person);
  for (const auto& id : datasets) {
    auto dataset = context->datasets == nullptr ? Result<domain::Dataset>(fail(ErrorKind::not_found, "", ""))
                                                : co_await context->datasets->dataset(id);
    if (!dataset && dataset.error().kind != ErrorKind::not_found) co_return std::unexpected(dataset.error());
    const bool visible = dataset && (dataset->owner == person || std::ranges::find(projects, dataset->project) != projects.end());
    if (visible) {
      dossier.datasets.push_back(std::move(*dataset));
    } else if (!dossier.missing) {
      dossier.missing =
          domain::Reason{std::string(kDatasetUnknown), "dataset " + id.str() +
                                                           " is not registered, or belongs to none of your projects; see: "
                                                           "hansa data list"};
    }
  }
  co_return dossier;
}

}  // namespace hansa::engine
