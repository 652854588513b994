// SPDX-License-Identifier: Apache-2.0
#pragma once
// A submission as the wrapper of connectors/transport/wrapper.hpp has it: the same at every site where we wrap jobs.

#include "broker/ports/site_connector.hpp"
#include "connectors/transport/wrapper.hpp"

#include <string_view>

namespace hansa::connectors::batch {

/// Everything of `spec` but its work_dir and what the scheduler has to say (its variables, its launcher, who writes the output).
/// `account` is the name that the job runs under. The payload is taken out of the request.
void fill(transport::WrapperSpec& spec, ports::SubmitRequest& request, const SiteId& site, transport::SiteProfile profile,
          std::string_view account);

}  // namespace hansa::connectors::batch
