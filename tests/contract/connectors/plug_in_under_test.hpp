// SPDX-License-Identifier: Apache-2.0
#pragma once
// The suite against whatever speaks the connector protocol on its standard input and output. What it needs to know of the site,
// the site's own snapshot tells.

#include "broker/core/clock.hpp"

#include <string>
#include <vector>

namespace hansa::contract {

struct PlugIn {
  std::vector<std::string> command;  // by its absolute path
  std::string account;               // "": whichever the site gives
  std::string person = "local:tester";
  std::string queue;                 // "": the site's default
  Seconds time_unit{1};
  Seconds patience{30};
};

/// Of the program: set before the first test case.
PlugIn& plug_in();

}  // namespace hansa::contract
