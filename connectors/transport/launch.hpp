// SPDX-License-Identifier: Apache-2.0
#pragma once
// hansa-launch, which every job finds on its PATH: a script of bash, so that one text serves every processor and nothing has to
// be installed at a site (ADR 0038). What it does: docs/using-hansa.md, section 2.

#include <string_view>

namespace hansa::connectors::transport {

std::string_view launch_script();

}  // namespace hansa::connectors::transport
