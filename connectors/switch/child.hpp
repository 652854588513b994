// SPDX-License-Identifier: Apache-2.0
#pragma once
// The program itself, started as the account: the one place where privileges are given up.

#include "broker/core/descriptor.hpp"
#include "connectors/switch/authorise.hpp"
#include "connectors/switch/request.hpp"

#include <sys/types.h>

#include <optional>
#include <string>

namespace hansa::connectors::account_switch {

struct Child {
  pid_t pid = -1;       // leader of its own session and process group; unreaped
  Descriptor out;       // what it writes; non-blocking
  Descriptor err;
  Descriptor start;     // start_failure() reads it
};

/// Forks a child that gives up every privilege for good, checks that it has, and becomes the program: with the account's uid, gid
/// and groups, no_new_privs, a new session, umask 077, no core file, only descriptors 0 to 2, the working directory, an
/// environment of HOME, USER, LOGNAME, SHELL, PATH and the request's variables, and an alarm() that ends it after request.limit
/// whatever becomes of us. It is killed if we die.
Result<Child> start_child(const Request& request, const Identity& identity, const std::string& input);

/// After the child has ended: why the program was never executed, or nothing if it was.
std::optional<Error> start_failure(const Child& child, const Request& request, const Identity& identity);

}  // namespace hansa::connectors::account_switch
