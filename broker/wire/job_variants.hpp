// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a job runs in, and its variants: the parts of a request that stand in a job and in each of its variants alike.

#include "broker/domain/variant.hpp"
#include "broker/wire/object_reader.hpp"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::wire {

inline constexpr std::int64_t kMaxMemory = std::int64_t{1} << 40;  // MiB on a node

using Environment = std::vector<std::pair<std::string, std::string>>;

/// "": it may be the name of a variable.
std::string_view variable_name_fault(std::string_view name);
Environment read_environment(ObjectReader& fields, std::vector<Fault>& faults);

/// "container", "modules" and "network"; what is not said is as in `otherwise`.
domain::Software read_software(ObjectReader& fields, const domain::Software& otherwise, std::vector<Fault>& faults);

/// Complete ones: what they do not say is as in `spec`. `sites`: that there are; none: any id is taken.
std::vector<domain::Variant> read_variants(ObjectReader& job, const domain::JobSpec& spec,
                                           std::span<const std::string_view> sites, std::vector<Fault>& faults);

/// Into a request, and into the view of a job.
void put_software(Json& json, const domain::Software& software);
Json to_json(std::span<const domain::Variant> variants);

}  // namespace hansa::wire
