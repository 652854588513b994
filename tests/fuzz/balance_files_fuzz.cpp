// SPDX-License-Identifier: Apache-2.0
// Any bytes are a list of balances, or an error that says where: CSV, JSON, Waldur's resources, what sshare prints.

#include "broker/cli/balance_files.hpp"
#include "broker/domain/charge.hpp"
#include "tests/fuzz/require.hpp"

using namespace hansa;
using namespace hansa::cli;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  const BalanceOptions named{.site = "alpha", .components = {{"cpu", "core-hours"}, {"gres/gpu", "GPU-hours"}}};
  for (const auto& options : {BalanceOptions{}, named}) {
    const auto list = balances_in(text, options);
    if (!list) {
      require(list.error().kind == ErrorKind::invalid_argument && !list.error().message.empty());
      continue;
    }
    require(list->is_array());
    (void)canonical_json(*list);  // it goes over the wire
    const auto begin = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
    const bool is_json = begin != std::string_view::npos && (text[begin] == '[' || text[begin] == '{');
    if (is_json || !text.substr(0, text.find('\n')).contains('|')) continue;
    for (const auto& row : *list) require(domain::parse_charge(row["left"].get<std::string>()).has_value());
  }
  return 0;
}
