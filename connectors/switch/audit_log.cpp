// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/audit_log.hpp"

#include <syslog.h>
#include <unistd.h>

#include <cstdio>

namespace hansa::connectors::account_switch {
namespace {

constexpr std::size_t kMaxValue = 256;
constexpr std::size_t kMaxReason = 1024;
LogTarget log_target = LogTarget::syslog;  // one per process: syslog(3) is no different

std::string escaped(std::string_view value, std::size_t limit) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char c : value.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      text += c;
    } else {
      text += "\\x";
      text += digits[byte >> 4U];
      text += digits[byte & 15U];
    }
  }
  if (value.size() > limit) text += "...";
  return text;
}

std::string who(const Request* request, std::string_view caller) {
  std::string text = " caller=" + in_quotes(caller);
  if (request != nullptr) {
    text += " person=" + in_quotes(request->person) + " account=" + in_quotes(request->account) +
            " program=" + in_quotes(request->program) + " tag=" + in_quotes(request->tag);
  }
  return text;
}

void write_line(int priority, const std::string& line) {
  if (log_target == LogTarget::syslog) {
    ::syslog(priority, "%s", line.c_str());
  } else {
    std::fprintf(stderr, "hansa-switch[%d]: %s\n", static_cast<int>(::getpid()), line.c_str());
  }
}

}  // namespace

std::string in_quotes(std::string_view value) { return '"' + escaped(value, kMaxValue) + '"'; }

void open_log(LogTarget target) {
  log_target = target;
  if (target == LogTarget::syslog) ::openlog("hansa-switch", LOG_PID, LOG_AUTHPRIV);
}

void log_started(const Request& request, std::string_view caller, pid_t pid) {
  write_line(LOG_INFO, "started" + who(&request, caller) + " pid=" + std::to_string(pid));
}

void log_ended(const Request& request, std::string_view caller, pid_t pid, std::string_view outcome) {
  write_line(LOG_INFO, "ended" + who(&request, caller) + " pid=" + std::to_string(pid) + " outcome=" + in_quotes(outcome));
}

void log_refused(const Request* request, std::string_view caller, const Error& error) {
  write_line(LOG_WARNING,
             "refused" + who(request, caller) + " outcome=\"" + escaped(error.code + ": " + one_line(error), kMaxReason) + '"');
}

void log_notice(std::string_view text) { write_line(LOG_NOTICE, escaped(text, kMaxReason)); }

}  // namespace hansa::connectors::account_switch
