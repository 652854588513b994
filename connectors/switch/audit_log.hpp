// SPDX-License-Identifier: Apache-2.0
#pragma once
// One line for what was refused, two for what was run: who asked, for whom, as whom, what, and how it ended. To syslog
// (LOG_AUTHPRIV) or, for tests and the foreground, to stderr. Never arguments, input or the values of variables.

#include "connectors/switch/request.hpp"

#include <sys/types.h>

#include <string>
#include <string_view>

namespace hansa::connectors::account_switch {

enum class LogTarget { syslog, standard_error };

void open_log(LogTarget target);

void log_started(const Request& request, std::string_view caller, pid_t pid);
void log_ended(const Request& request, std::string_view caller, pid_t pid, std::string_view outcome);
/// `request` is null where there is none yet.
void log_refused(const Request* request, std::string_view caller, const Error& error);
void log_notice(std::string_view text);

/// In double quotes; everything but printable ASCII, and '"' and '\', as \xNN; at most 256 bytes of it.
std::string in_quotes(std::string_view value);

}  // namespace hansa::connectors::account_switch
