// SPDX-License-Identifier: Apache-2.0
#pragma once
// Commands that take several job ids: all are tried, the worst exit status is the call's.

#include "broker/cli/session.hpp"

namespace hansa::cli {

/// Gathers the answers: one id prints the API's answer itself, several print {"jobs": [...]}.
class SeveralJobs {
 public:
  SeveralJobs(Session& session, std::size_t asked, bool json) : session_(session), asked_(asked), json_(json) {}

  void failed(const Error& error);
  /// `line` is for people; `body` is the API's answer.
  void answered(const std::string& line, const std::string& body, ExitStatus status);
  /// Prints what is left to print.
  ExitStatus finish();

 private:
  Session& session_;
  std::size_t asked_;
  bool json_;
  std::string bodies_;
  ExitStatus status_ = ExitStatus::done;
};

}  // namespace hansa::cli
