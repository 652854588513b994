// SPDX-License-Identifier: Apache-2.0
#pragma once
// Variants of a job: one that runs on one kind of machine and one that runs on another. Of each queue the first counts whose
// condition holds there; a queue of which none holds does not take the job.
//
// GPUs are counted as a program sees them (of an MI250X, its two dies). A site whose scheduler counts modules says how many
// of those each has, and is asked for so many fewer.

#include "broker/domain/software.hpp"

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace hansa::domain {

class FieldReader;

inline constexpr std::size_t kMaxVariants = 16;
inline constexpr std::int32_t kMaxDevicesPerGpu = 16;
inline constexpr std::size_t kMaxVariantEnvironmentBytes = std::size_t{16} << 10;  // of all of a job's together

inline constexpr std::array<std::string_view, 4> kGpuVendors{"nvidia", "amd", "intel", "none"};  // "none": no GPUs
inline constexpr std::array<std::string_view, 4> kArchitectures{"x86_64", "aarch64", "ppc64le",
                                                                "riscv64"};  // as uname -m has them

/// Of a model as schedulers call it ("a100", "mi250x"); "": not known.
std::string_view gpu_vendor_of(std::string_view model);
/// What somebody means who writes "arm64", "x86-64", "AMD64"; "": nothing of these.
std::string_view architecture_meant_by(std::string_view word);

/// What a site is made of, where its operator says so: that counts for all of its nodes, whatever the scheduler tells.
struct Hardware {
  std::string gpu_vendor;
  std::string architecture;
  std::int32_t devices_per_gpu = 1;    // that a program sees for each GPU that the scheduler counts
  friend bool operator==(const Hardware&, const Hardware&) = default;
};

/// "gpu_vendor amd, architecture aarch64"; "everywhere".
std::string to_text(const Condition& when);

/// Null: no variant of the job's has that name.
const Variant* find_variant(const JobSpec& spec, std::string_view name);
/// As that variant has it; the job's own for "".
const Resources& resources_of(const JobSpec& spec, std::string_view variant);
/// In GPUs as a site's scheduler counts them.
Resources in_units_of(const Hardware& hardware, Resources resources);
/// What goes to the site: its variant's resources and software as the job's own, no variants any more.
JobSpec spec_for(JobSpec spec, std::string_view variant, const Hardware& hardware);

/// Adds what is not there, replaces what is.
void put_environment(std::vector<std::pair<std::string, std::string>>& environment, const Variant& variant);

// Stored.
Resources resources_in(const Json& json, FieldReader& field);
Software software_in(FieldReader& field);
Json variants_to_json(std::span<const Variant> variants);
std::vector<Variant> variants_in(FieldReader& field);

}  // namespace hansa::domain
