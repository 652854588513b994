// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a job runs in: the form of what a job says of it, and what a site offers.

#include "broker/core/canonical_json.hpp"
#include "broker/domain/job.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hansa::domain {

inline constexpr std::size_t kMaxModules = 32;
inline constexpr std::size_t kMaxBinds = 32;
inline constexpr std::size_t kMaxImageBytes = 512;
inline constexpr std::size_t kMaxBindBytes = 512;

/// What is wrong with an image, and what to write instead; "": nothing. "oras://HOST/NAME@sha256:<64 hex digits>", the same with
/// "docker://", or an absolute path at the site with "@sha256:<64 hex digits>" of the file: by a tag alone nobody knows what ran.
/// "code:PATH" is a file of the job's code and "data:DATASET[/PATH]" one of a dataset, which digests of their own pin.
std::string image_fault(std::string_view image);

inline constexpr std::string_view kImageOfCode = "code:";
inline constexpr std::string_view kImageOfData = "data:";
/// The dataset that the image is of; empty: of none.
DatasetId image_dataset(std::string_view image);
/// An image of a dataset as it is told to a site where that lies at `path`, absolute: "data:/PATH/AT/THE/SITE". No job's owner
/// can name one so.
std::string image_at(std::string_view image, std::string_view path);
/// Of one that was told so: where it lies, any bytes but control characters, without "..". "": it is another image.
std::string_view image_path(std::string_view image);

/// The same for "SOURCE[:TARGET[:ro|:rw]]". SOURCE is absolute, or beneath the job's working folder.
std::string bind_fault(std::string_view bind);
/// Of one without a fault.
std::string_view bind_source(std::string_view bind);

/// Letters, digits and "._+-": a name of the site's profile, not one of the site's modules.
bool is_module_name(std::string_view name);

/// All of it is as these want it: what comes over a wire is looked at again.
bool is_well_formed(const Software& software);

/// What a site offers to run jobs in.
struct SoftwareProfile {
  bool containers = false;
  std::vector<std::string> images;  // what an image's name begins with; none: any
  std::vector<std::string> binds;  // folders beneath which everything may be bound
  std::vector<std::string> modules;  // names, rising
  std::vector<std::string> outbound = {};  // queues whose nodes reach the network outside, as its operator says; "*": all
  friend bool operator==(const SoftwareProfile&, const SoftwareProfile&) = default;
};

/// Why a site does not run it, what starts containers left aside; an empty code: it does.
Reason software_obstacle(const Software& software, const SoftwareProfile& profile);

/// Part of a stored object, member by member: nothing that is empty.
Json to_json(const Software& software);

}  // namespace hansa::domain
