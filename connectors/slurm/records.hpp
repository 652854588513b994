// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tables that a hostile job name cannot forge.
//
// A job's name may hold anything: '|', line breaks, bytes that are no UTF-8 (tests/data/slurm/*/squeue.text-all.out). So every
// field is asked to end with a separator that no job can know (connectors/batch/listing.hpp):
// `squeue -O "JobID:SEP,Name:SEP,..."` and `sacct -p --delimiter=SEP -o ...` both write field SEP field SEP ... '\n'.

#include "connectors/batch/listing.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurm {

using batch::Dropped;
using batch::kMaxRows;
using batch::Listing;
using batch::make_separator;

using Fields = std::vector<std::string_view>;

/// Rows of exactly `columns` fields; the views are into `text`. A row that is not ended by '\n' right after its last
/// separator is dropped up to the next separator that is.
Listing<Fields> split_rows(std::string_view text, std::string_view separator, std::size_t columns);

}  // namespace hansa::connectors::slurm
