// SPDX-License-Identifier: Apache-2.0
#pragma once
// What slurmrestd's answers say about how it went. A status of 200 says little: `errors` may stand in it, and what was cancelled
// tells its error in `status` (26.05.3).

#include "broker/core/error.hpp"
#include "broker/http/message.hpp"
#include "connectors/slurmrest/json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurmrest {

/// Slurm's own error numbers (slurm/slurm_errno.h), the same in 22.05 and 26.05.
inline constexpr std::int64_t kAccessDenied = 2002;
inline constexpr std::int64_t kInvalidJobId = 2017;
inline constexpr std::int64_t kAlreadyDone = 2021;
inline constexpr std::int64_t kJobHeld = 2042;
inline constexpr std::int64_t kNothingFound = 9003;

struct Complaint {
  std::int64_t number = 0;  // -1: "Unspecified error", of a controller that is down as of a token that it does not take (22.05.8)
  std::string words;  // one printable line
};

struct Reply {
  int status = 0;
  std::optional<Document> document = {};  // none: no JSON object
  std::vector<Complaint> complaints = {};  // `errors`, and each status[].error
  std::string beginning = {};  // of what is no JSON
  std::string location = {};  // of a redirect

  static Reply read(http::Response response);
  [[nodiscard]] std::string words() const;  // of all complaints, or what else there is
  [[nodiscard]] bool has(std::int64_t number) const;
};

/// slurmrestd could not talk to Slurm's daemons, rather than that they said no.
bool is_unreachable(const Complaint& complaint);

/// Of a question: nothing, or what its failure means.
/// - unavailable: SITE_DOWN; SITE_VERSION: nothing is served at that path (another version now?); SITE_REDIRECTS; TOKEN_REFUSED,
///   which is no word about the account: the token may be renewed
/// - permission_denied: SITE_DENIED
/// - internal: SITE_GARBLED, no JSON
std::optional<Error> failure_of(const Reply& reply, const std::string& user);

/// The same of a change of a job. That it is over or unknown is no failure: it is seen when its state is read back.
std::optional<Error> failure_of_change(const Reply& reply, const std::string& user);

}  // namespace hansa::connectors::slurmrest
