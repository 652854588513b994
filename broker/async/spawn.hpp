// SPDX-License-Identifier: Apache-2.0
#pragma once
// Starting a program, for this room alone: child_process.hpp has it until its end, child.cpp runs it to there, live_child.cpp
// talks to it.

#include "broker/async/child.hpp"
#include "broker/core/descriptor.hpp"

#include <sys/types.h>

namespace hansa::async {

struct Pipe {
  Descriptor read;
  Descriptor write;
};

/// Of a descriptor that was just made, or not: above 2, so that moving one to its place in the child cannot overwrite another.
Result<Descriptor> above_standard(int fd);
Result<Pipe> make_pipe();
Error cannot_start(int number);

/// What no child is started with (run_child says which).
Result<void> check_spec(const ChildSpec& spec);

/// A started program, in a process group of its own. Whoever has it reaps it.
struct Spawned {
  pid_t pid = -1;
  Descriptor pidfd;  // readable once it has ended
};

/// With these as its descriptors 0 to 2; `input` and `output_limit` of the spec are the caller's business.
Result<Spawned> spawn_program(const ChildSpec& spec, int in, int out, int err);
int signal_group(pid_t group, int number);

}  // namespace hansa::async
