// SPDX-License-Identifier: Apache-2.0
// What calls to a site came to, and that no end of a site's makes it grow without bounds.
#include "broker/engine/call_figures.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace hansa::engine {
namespace {

TEST_CASE("codes of errors are counted apart and what is no code or one too many together", "[engine]") {
  CallFigures figures;
  const auto failed = [&](std::string code, bool silent) {
    figures.failed({.kind = ErrorKind::unavailable, .code = std::move(code)}, silent);
  };
  failed("SITE_REFUSED", false);
  failed("SITE_DOWN", true);
  failed("SITE_DOWN", true);
  for (const auto* odd : {"", "no code", "x\"} 1\nhansa_forged 1", "small"}) failed(odd, false);
  failed(std::string(5'000, 'A'), false);
  const auto calls = [&](std::string_view code, bool silent) {
    for (const auto& faults : figures.read().faults) {
      if (faults.code == code && faults.silent == silent) return faults.calls;
    }
    return std::int64_t{0};
  };
  CHECK(calls("SITE_REFUSED", false) == 1);
  CHECK(calls("SITE_DOWN", true) == 2);
  CHECK(calls("OTHER", false) == 5);
  for (int i = 0; i < 1'000; ++i) failed("CODE_" + std::to_string(i), false);
  failed("SITE_DOWN", true);
  CHECK(calls("SITE_DOWN", true) == 3);
  const auto faults = figures.read().faults;
  CHECK(faults.size() <= 51);
  std::int64_t all = 0;
  for (const auto& each : faults) all += each.calls;
  CHECK(all == 1'009);
}

TEST_CASE("calls are counted by kind as they begin and their time as they end", "[engine]") {
  CallFigures figures;
  figures.begun(CallKind::submit);
  figures.begun(CallKind::submit);
  figures.ended(CallKind::submit, Milliseconds{120});
  figures.begun(CallKind::read);
  CHECK(figures.all_begun() == 3);
  const auto kinds = figures.read().kinds;
  REQUIRE(kinds.size() == 5);
  const auto submit = std::ranges::find(kinds, "submit", &CallFigures::ByKind::kind);
  REQUIRE(submit != kinds.end());
  CHECK(submit->begun == 2);
  CHECK(submit->took_ms.count() == 1);
  CHECK(submit->took_ms.sum == 120);
}

}  // namespace
}  // namespace hansa::engine
