// SPDX-License-Identifier: Apache-2.0
#include "connectors/batch/wrapped_job.hpp"

#include "broker/domain/code_archive.hpp"
#include "broker/domain/variant.hpp"

#include <utility>

namespace hansa::connectors::batch {

void fill(transport::WrapperSpec& spec, ports::SubmitRequest& request, const SiteId& site, transport::SiteProfile profile,
          std::string_view account) {
  const auto& resources = request.spec.resources;
  const auto& software = request.spec.software;
  spec.tag = request.tag;
  spec.may_requeue = request.spec.requeue;
  spec.shape = {.nodes = resources.nodes,
                .tasks = resources.tasks,
                .cpus_per_task = resources.cpus_per_task,
                .gpus_per_node = resources.gpus_per_node * request.devices_per_gpu};
  spec.profile = transport::profile_for(std::move(profile), account);
  if (spec.profile.gpu_vendor.empty()) spec.profile.gpu_vendor = domain::gpu_vendor_of(resources.gpu_model);
  spec.software = {
      .image = software.image, .binds = software.binds, .processes_only = software.processes_only, .modules = software.modules};
  spec.master_port = transport::master_port(request.job.str());
  spec.exported = {{"HANSA_JOB_ID", request.job.str()},
                   {"HANSA_ATTEMPT", std::to_string(request.attempt)},
                   {"HANSA_SITE", site.str()},
                   {"HANSA_PROJECT", request.spec.project.str()}};
  if (!request.variant.empty()) spec.exported.emplace_back("HANSA_VARIANT", request.variant);
  spec.code = request.code.id.empty() ? "" : std::string(domain::digest_of(request.code.id));
  for (const auto& secret : request.secrets) spec.secrets.push_back(secret.file);
  spec.script = std::move(request.payload.script);
  spec.arguments = std::move(request.payload.arguments);
  spec.environment = std::move(request.payload.environment);
}

}  // namespace hansa::connectors::batch
