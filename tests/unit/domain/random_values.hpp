// SPDX-License-Identifier: Apache-2.0
#pragma once
// Values of the domain made at random; to be called within rc::prop.

#include "broker/domain/decision.hpp"
#include "broker/domain/event.hpp"

#include <string>

namespace hansa::domain::test {

std::string random_text();  // with quotes, controls, NUL, every length of UTF-8; may be empty
JobId random_id();
UtcTime random_time();
JobSpec random_spec();
Decision random_decision();

/// Any content, of the variant's alternative `index`.
EventBody random_event(std::size_t index);

/// One that `job` may well meet now; whether it is legal is the state machine's word.
EventBody random_event_for(const Job& job);

}  // namespace hansa::domain::test
