// SPDX-License-Identifier: Apache-2.0
#pragma once
// A door with one key: that which enrolled last.

#include "connectors/websocket/listener.hpp"

#include <mutex>
#include <string>
#include <vector>

namespace hansa::connectors::websocket::test {

/// Lets in whose key it knows; keeps what was shown.
class TestDoor final : public Door {
 public:
  async::Task<BerthId> admit(Knock knock) override {
    const std::scoped_lock lock(mutex);
    knocks.push_back(knock);
    if (knock.key.empty()) co_return fail(ErrorKind::unauthenticated, "NO_KEY", "no key");
    if (knock.key != known) co_return fail(ErrorKind::permission_denied, "AGENT_NOT_ENROLLED", "not enrolled: enrol");
    if (once) known.clear();
    constexpr std::string_view kPerson = "Bearer local:";  // an agent of a person's own
    const auto person = knock.authorization.starts_with(kPerson) ? knock.authorization.substr(7) : std::string();
    co_return BerthId{.site = knock.site, .person = Principal(person)};
  }
  async::Task<Json> enrol(Knock knock) override {
    const std::scoped_lock lock(mutex);
    knocks.push_back(knock);
    if (knock.authorization != "Bearer good") co_return fail(ErrorKind::unauthenticated, "ENROLMENT_USED", "used already");
    known = knock.key;
    co_return Json{{"site", knock.site.str()}};
  }
  std::mutex mutex;
  std::string known;
  bool once = false;  // whom it lets in is revoked at that moment
  std::vector<Knock> knocks;
};

}  // namespace hansa::connectors::websocket::test
