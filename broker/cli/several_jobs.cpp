// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/several_jobs.hpp"

namespace hansa::cli {

void SeveralJobs::failed(const Error& error) {
  session_.complain(error);
  status_ = worse(status_, exit_status(error.kind));
}

void SeveralJobs::answered(const std::string& line, const std::string& body, ExitStatus status) {
  status_ = worse(status_, status);
  if (!json_) {
    session_.print(line + "\n");
    return;
  }
  if (!bodies_.empty()) bodies_ += ",";
  bodies_ += body;
  while (bodies_.ends_with('\n')) bodies_.pop_back();
}

ExitStatus SeveralJobs::finish() {
  if (!json_) return status_;
  if (asked_ > 1)
    session_.print("{\"jobs\":[" + bodies_ + "]}\n");
  else if (!bodies_.empty())
    session_.print(bodies_ + "\n");
  return status_;
}

}  // namespace hansa::cli
