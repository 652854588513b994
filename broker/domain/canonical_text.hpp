// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is stored with every job, as canonical_json(to_json(...)) has it, written at once.

#include "broker/domain/event.hpp"

#include <string>
#include <string_view>

namespace hansa::domain {

std::string canonical_text(const JobSpec& spec);
std::string canonical_text(const EventBody& body);
/// Of the Accepted event of a job whose specification is written already.
std::string accepted_text(const Principal& owner, std::string_view broker_id, std::string_view spec);

}  // namespace hansa::domain
