// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site's profile for the suite. Apptainer is in no Debian package: a stand-in says which image it was asked for, and runs the
// command beside it. `module` is one, too.

#include "connectors/transport/wrapper.hpp"

#include <filesystem>
#include <fstream>
#include <string>

namespace hansa::contract {

inline connectors::transport::SiteProfile pretended_profile(const std::string& folder) {
  namespace fs = std::filesystem;
  std::ofstream(folder + "/apptainer") << "#!/bin/bash\nwhile [[ $1 != *@sha256:* ]]; do OPTIONS+=\"$1 \"; shift; done\nexport "
                                          "OPTIONS IN_IMAGE=$1\nexec \"${@:2}\"\n";
  fs::permissions(folder + "/apptainer", fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                                             fs::perms::others_read | fs::perms::others_exec);
  std::ofstream(folder + "/modules.sh") << "module() { [[ $1 == load ]] && export LOADED=\"${*:2}\"; }\n";
  connectors::transport::SiteProfile profile;
  profile.modules = {{"torch", {"GCC/13.2", "PyTorch/2.3"}}};
  profile.module_init = folder + "/modules.sh";
  profile.container_runtime = folder + "/apptainer";
  profile.gpu_vendor = "amd";
  return profile;
}

}  // namespace hansa::contract
