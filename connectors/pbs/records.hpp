// SPDX-License-Identifier: Apache-2.0
#pragma once
// PBS's records in delimiter-separated form (-F dsv), which is asked for instead of JSON: qstat of the releases writes JSON that
// is none (a bare nan, a backslash before the closing quote, invalid UTF-8), and one such job breaks the listing of all jobs
// (tests/data/openpbs/qstat.rel23_*_json.out). The current one takes comments and variables for JSON values: 005 becomes 5.
//
//   Job Id: 0.pbs01SEPJob_Name=helloSEPJob_Owner=alice@pbs01SEP...\n
//
// The separator (-D) is one that no job can know (connectors/batch/listing.hpp): nobody can forge a field, nor where a record
// begins, which is at a line's start with the record's word, an id and a separator. So a line break inside a value does no harm.

#include "connectors/batch/listing.hpp"

#include <string_view>
#include <utility>
#include <vector>

namespace hansa::connectors::pbs {

using batch::Dropped;
using batch::Listing;

struct Record {
  std::string_view id;
  std::vector<std::pair<std::string_view, std::string_view>> fields;

  /// The first of that name; "" if there is none.
  [[nodiscard]] std::string_view get(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
};

/// `word` is "Job Id: ", "Queue: ", "Server: " or "Name=". The views are into `text`.
Listing<Record> split_records(std::string_view text, std::string_view word, std::string_view separator);

/// Each record by `read`, which says why one is dropped.
template <class Row, class Read>
Listing<Row> read_records(const Listing<Record>& records, Read read) {
  Listing<Row> listing{.rows = {}, .dropped = records.dropped, .complete = records.complete};
  listing.rows.reserve(records.rows.size());
  for (std::size_t i = 0; i < records.rows.size(); ++i) {
    auto row = read(records.rows[i]);
    if (row) {
      listing.rows.push_back(std::move(*row));
    } else {
      listing.dropped.push_back({i + 1, std::move(row.error())});
    }
  }
  return listing;
}

}  // namespace hansa::connectors::pbs
