// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/group_names.hpp"

#include "broker/identity/standing.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <cctype>
#include <iterator>
#include <set>

using namespace hansa;
using namespace hansa::identity;

namespace {

/// Every component that a name may have, of bytes that need to be encoded too.
std::string component() {
  const auto text =
      *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::elementOf(std::string("abAB09.-_~:#%/= +@&'\"<|"))));
  return text == "." || text == ".." ? "x" + text : text;
}

std::vector<std::string> components() {
  std::vector<std::string> all;
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) all.push_back(component());
  return all;
}

std::vector<std::string> projects(const Json& claims, const StandingRules& rules) {
  const auto standing = standing_of(claims, rules);
  if (!standing) return {standing.error().code};
  std::vector<std::string> names;
  if (!standing->projects) return {"untold"};
  for (const auto& project : *standing->projects) names.push_back(project.str());
  return names;
}

constexpr const char* kGroup = "urn:geant:example.org:group:ai-lab:role=member#aai.example.org";

StandingRules rules() {
  StandingRules made;
  made.projects.emplace_back(*GroupRule::make(kGroup, false), ProjectId("ai-lab"));
  made.projects.emplace_back(*GroupRule::make("urn:geant:example.org:group:climate", false), ProjectId("climate"));
  made.roles.emplace_back(*GroupRule::make("urn:geant:example.org:group:hansa:role=auditor", false), ports::Role::auditor);
  made.roles.emplace_back(*GroupRule::make("urn:geant:example.org:group:hansa:role=operator", false), ports::Role::operator_);
  return made;
}

Json groups(const std::vector<std::string>& names) { return {{"eduperson_entitlement", names}}; }

}  // namespace

TEST_CASE("a group's name is read as AARC-G069 has it", "[groups]") {
  const auto name = GroupName::parse("URN:Geant:example.org:sub:group:parent:child:role=vm%20operator#aai.example.org");
  REQUIRE(name);
  CHECK(name->nid == "geant");
  CHECK(name->name_space == std::vector<std::string>{"example.org", "sub"});
  CHECK(name->groups == std::vector<std::string>{"parent", "child"});
  CHECK(name->role == "vm operator");
  CHECK(name->authority == "aai.example.org");
  CHECK(name->str() == "urn:geant:example.org:sub:group:parent:child:role=vm%20operator#aai.example.org");
  CHECK_FALSE(GroupName::parse("urn:geant:example.org:group:a")->role);
}

TEST_CASE("what is no group's name is none", "[groups][T05]") {
  for (const std::string text : {"",
                                 "urn",
                                 "urn:geant:example.org",
                                 "urn:geant:example.org:group",
                                 "urn:geant:example.org:group:",
                                 "urn:geant:group:a",
                                 "urn::example.org:group:a",
                                 "urx:geant:example.org:group:a",
                                 "urn:ge_ant:example.org:group:a",
                                 "urn:geant:example.org:res:a",
                                 "urn:geant::group:a",
                                 "urn:geant:example.org:group::a",
                                 "urn:geant:example.org:group:a:",
                                 "urn:geant:example.org:group:..",
                                 "urn:geant:example.org:group:%2E%2E",
                                 "urn:geant:..:group:a",
                                 "urn:geant:example.org:group:a%",
                                 "urn:geant:example.org:group:a%4",
                                 "urn:geant:example.org:group:a%zz",
                                 "urn:geant:example.org:group:a%00",
                                 "urn:geant:example.org:group:a%0A",
                                 "urn:geant:example.org:group:a\n",
                                 "urn:geant:example.org:group:a%7F",
                                 "urn:geant:example.org:group:%FF",
                                 "urn:geant:example.org:group:a#",
                                 "urn:geant:example.org:group:a#b#c",
                                 "urn:geant:example.org:group:role=member",
                                 "urn:geant:example.org:group:a:role=",
                                 "urn:geant:example.org:group:a:role=x:b",
                                 "urn:geant:example.org:group:a:role=x:role=y",
                                 "urn:geant:gr%6Fup:group:a",
                                 "urn:mace:egi.eu:aai.egi.eu:member@fedcloud.egi.eu",
                                 "/ai-lab"}) {
    CAPTURE(text);
    CHECK_FALSE(GroupName::parse(text));
  }
  CHECK_FALSE(GroupName::parse("urn:geant:example.org:group:" + std::string(500, 'a')));
}

TEST_CASE("a name that is written out is read again as the same", "[groups]") {
  CHECK(rc::check("parse and str are inverse", [] {
    GroupName name{.nid = "geant", .name_space = components(), .groups = components(), .role = {}, .authority = {}};
    if (*rc::gen::arbitrary<bool>()) name.role = component();
    if (*rc::gen::arbitrary<bool>()) name.authority = component();
    const auto text = name.str();
    RC_PRE(text.size() <= GroupName::kMostBytes);
    const auto again = GroupName::parse(text);
    RC_ASSERT(again);
    RC_ASSERT(*again == name);
  }));
}

TEST_CASE("groups are taken exactly as the configuration names them", "[groups][T05]") {
  using List = std::vector<std::string>;
  CHECK(projects(groups({kGroup}), rules()) == List{"ai-lab"});
  CHECK(projects(groups({"urn:geant:example.org:group:climate", kGroup}), rules()) ==
        List{"ai-lab", "climate"});  // in the rules' order
  CHECK(projects(groups({"URN:GEANT:example.org:group:ai%2Dlab:role=member#aai.example.org"}), rules()) == List{"ai-lab"});
  CHECK(projects(Json{{"eduperson_entitlement", kGroup}}, rules()) == List{"ai-lab"});  // one alone, as some issuers send it
  for (const std::string other :
       {"urn:geant:example.org:group:ai-lab", "urn:geant:example.org:group:ai-lab:role=member",
        "urn:geant:example.org:group:ai-lab:role=owner#aai.example.org",
        "urn:geant:example.org:group:ai-lab:role=member#evil.example",
        "urn:geant:evil.example:group:ai-lab:role=member#aai.example.org",
        "urn:geant:example.org:x:group:ai-lab:role=member#aai.example.org",
        "urn:geant:example.org:group:ai-lab:sub:role=member#aai.example.org",
        "urn:geant:example.org:group:AI-LAB:role=member#aai.example.org",
        "urn:geant:EXAMPLE.org:group:ai-lab:role=member#aai.example.org",
        "urn:geant:example.org:group:ai-lab%00:role=member#aai.example.org",
        "urn:geant:example.org:group:ai%252Dlab:role=member#aai.example.org",
        "urn:geant:example.org:group:\xD0\xB0i-lab:role=member#aai.example.org",  // a Cyrillic a
        "urn:geant:example.org:group:climate:sub", "urn:geant:example.org:group:climate#aai.example.org"}) {
    CAPTURE(other);
    CHECK(projects(groups({other}), rules()).empty());
  }
  for (const auto& odd :
       {Json(7), Json(nullptr), Json::object({{kGroup, true}}), Json::array({1, Json::array({kGroup}), nullptr})})
    CHECK(projects(Json{{"eduperson_entitlement", odd}}, rules()).empty());
  CHECK(projects(Json::object(), rules()).empty());
  CHECK(projects(groups(List(256, "x")), rules()).empty());
  CHECK(projects(groups(List(257, kGroup)), rules()) == List{"TOO_MANY_GROUPS"});
  // A token of capabilities says nothing by its groups (WLCG profile).
  auto capability = groups({kGroup});
  capability["wlcg.ver"] = "1.0";
  CHECK(projects(capability, rules()) == List{"ai-lab"});
  capability["scope"] = "openid storage.read:/";
  CHECK(projects(capability, rules()) == List{"untold"});
}

TEST_CASE("hundreds of names that look like a group's are not that group's", "[groups][T05]") {
  const std::string part[] = {"urn", "geant", "example.org", "group", "ai-lab", "role=member"};
  const std::string authority = "aai.example.org";
  const auto join = [&](const std::vector<std::string>& parts, const std::string& by) {
    std::string text;
    for (const auto& one : parts) text += (text.empty() ? "" : ":") + one;
    return by.empty() ? text : text + "#" + by;
  };
  const std::vector<std::string> whole(std::begin(part), std::end(part));
  REQUIRE(join(whole, authority) == kGroup);
  std::set<std::string> hostile;
  // What is done to one component, or to the authority: look-alikes of Unicode, encodings, more and less than it, other case.
  const std::vector<std::pair<std::string, std::string>> look_alikes{
      {"a", "\xD0\xB0"}, {"e", "\xD0\xB5"},     {"o", "\xCE\xBF"},     {"i", "\xC4\xB1"},
      {"l", "1"},        {"-", "\xE2\x80\x90"}, {".", "\xE3\x80\x82"}, {"m", "rn"},
      {"a", "%2561"},    {"e", "%C0%A5"},       {"a", "\xEF\xBD\x81"}, {"=", "\xEF\xBC\x9D"}};
  const auto spoilt = [&](const std::string& text) {
    std::vector<std::string> made{text + "%00",
                                  text + "%20",
                                  text + " ",
                                  " " + text,
                                  text + "\t",
                                  text + "\xE2\x80\x8B",
                                  text + ".",
                                  text + "%2E%2E",
                                  text + "/",
                                  text + "/../" + text,
                                  "../" + text,
                                  text + "%3A" + text,
                                  text + "%23" + text,
                                  text + "x",
                                  "x" + text,
                                  text.substr(1),
                                  text.substr(0, text.size() - 1),
                                  text + text,
                                  "*",
                                  ".*",
                                  "%25",
                                  "",
                                  text + "\xCC\x81"};
    std::string upper = text;
    for (auto& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    made.push_back(upper);
    for (const auto& [from, to] : look_alikes) {
      if (const auto at = text.find(from); at != std::string::npos)
        made.push_back(std::string(text).replace(at, from.size(), to));
    }
    return made;
  };
  for (std::size_t i = 1; i < whole.size(); ++i) {
    for (const auto& other : spoilt(whole[i])) {
      if (i == 1 && other == "GEANT") continue;  // the namespace's id alone may be in any case (RFC 8141)
      auto parts = whole;
      parts[i] = other;
      hostile.insert(join(parts, authority));
      hostile.insert(join(parts, ""));
    }
    auto fewer = whole, twice = whole;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    twice.insert(twice.begin() + static_cast<std::ptrdiff_t>(i), whole[i]);
    hostile.insert({join(fewer, authority), join(twice, authority)});
  }
  for (const auto& other : spoilt(authority)) hostile.insert(join(whole, other));
  for (const auto* other :
       {"evil.example", "aai.example.org.evil.example", "evil.example%23aai.example.org", "aai.example.org#evil.example"})
    hostile.insert(join(whole, other));
  hostile.insert(join(whole, ""));
  hostile.erase(kGroup);
  CHECK(hostile.size() >= 200);
  for (const auto& name : hostile) {
    CAPTURE(name);
    CHECK(projects(groups({name}), rules()).empty());
  }
  // All of them together are no more than each.
  std::vector<std::string> some(hostile.begin(), std::next(hostile.begin(), 200));
  CHECK(projects(groups(some), rules()).empty());
  // Another issuer's table has no such group, however truly it is named there.
  CHECK(projects(groups({kGroup}), StandingRules{}).empty());
}

TEST_CASE("issuers that name groups otherwise are taken at their own words", "[groups]") {
  StandingRules plain{.groups_claim = "groups", .plain = true};
  plain.projects.emplace_back(*GroupRule::make("/ai-lab", true), ProjectId("ai-lab"));
  CHECK(projects({{"groups", {"/ai-lab"}}}, plain) == std::vector<std::string>{"ai-lab"});
  for (const auto* other : {"ai-lab", "/ai-lab/", "/ai-lab/sub", "/AI-LAB", " /ai-lab"})
    CHECK(projects({{"groups", {other}}}, plain).empty());
  CHECK_FALSE(GroupRule::make("/ai-lab", false));
}

TEST_CASE("roles come by groups, the greater goes before the lesser", "[groups]") {
  const auto role = [](const std::vector<std::string>& names) { return standing_of(groups(names), rules())->role; };
  CHECK(role({}) == ports::Role::user);
  CHECK(role({"urn:geant:example.org:group:hansa"}) == ports::Role::user);
  CHECK(role({"urn:geant:example.org:group:hansa:role=auditor"}) == ports::Role::auditor);
  CHECK(role({"urn:geant:example.org:group:hansa:role=operator", "urn:geant:example.org:group:hansa:role=auditor"}) ==
        ports::Role::operator_);
}

TEST_CASE("who leads a project is its member; who operates a site is no other's operator", "[groups]") {
  auto made = rules();
  made.leads.emplace_back(*GroupRule::make("urn:geant:example.org:group:ai-lab:role=lead", false), ProjectId("ai-lab"));
  made.roles.emplace_back(*GroupRule::make("urn:geant:example.org:group:hansa:role=policy", false), ports::Role::policy_officer);
  made.site_operators.emplace_back(*GroupRule::make("urn:geant:example.org:group:alpha:role=staff", false), SiteId("alpha"));
  made.site_operators.emplace_back(*GroupRule::make("urn:geant:example.org:group:beta:role=staff", false), SiteId("beta"));
  const auto of = [&](const std::vector<std::string>& names) {
    std::vector<std::string> full;
    for (const auto& name : names) full.push_back("urn:geant:example.org:group:" + name);
    return *standing_of(groups(full), made);
  };
  const auto lead = of({"ai-lab:role=lead", "climate"});
  CHECK(lead.leads == std::vector{ProjectId("ai-lab")});
  CHECK(*lead.projects == std::vector{ProjectId("climate"), ProjectId("ai-lab")});
  CHECK(lead.role == ports::Role::user);
  CHECK(of({"climate"}).leads.empty());

  const auto staff = of({"beta:role=staff", "alpha:role=staff", "hansa:role=auditor"});
  CHECK(staff.role == ports::Role::operator_);
  CHECK(staff.sites == std::vector{SiteId("alpha"), SiteId("beta")});
  // What is for all sites is not narrowed by a group of one of them; nor do its sites become another role's.
  for (const auto* greater : {"hansa:role=operator", "hansa:role=policy"}) {
    const auto standing = of({greater, "alpha:role=staff"});
    CHECK(standing.sites.empty());
    CHECK(standing.role ==
          (std::string_view(greater).ends_with("policy") ? ports::Role::policy_officer : ports::Role::operator_));
  }
  CHECK(of({"alpha"}).sites.empty());
  CHECK(of({"alpha"}).role == ports::Role::user);
}

TEST_CASE("assurance that is asked for must be there, all of it", "[groups]") {
  auto strict = rules();
  strict.assurance = {"https://refeds.org/assurance/IAP/medium", "https://refeds.org/assurance/ID/unique"};
  auto claims = groups({kGroup});
  CHECK(projects(claims, strict) == std::vector<std::string>{"ASSURANCE_TOO_LOW"});
  claims["eduperson_assurance"] = Json::array({"https://refeds.org/assurance/IAP/medium"});
  CHECK(projects(claims, strict) == std::vector<std::string>{"ASSURANCE_TOO_LOW"});
  claims["eduperson_assurance"] =
      Json::array({"https://refeds.org/assurance/ID/unique", "https://refeds.org/assurance/IAP/medium", "more"});
  CHECK(projects(claims, strict) == std::vector<std::string>{"ai-lab"});
}

TEST_CASE("what an issuer vouches for is told in the words of the rules", "[groups]") {
  const std::string raf = "https://refeds.org/assurance/";
  const auto proven = [&](const std::vector<std::string>& values, const Json& acr = Json()) {
    auto claims = groups({kGroup});
    claims["eduperson_assurance"] = Json::array();
    for (const auto& value : values)
      claims["eduperson_assurance"].push_back(value.starts_with('/') ? raf + value.substr(1) : value);
    if (!acr.is_null()) claims["acr"] = acr;
    const auto standing = standing_of(claims, rules());
    REQUIRE(standing);
    return standing->assurance + "," + standing->authentication;
  };
  CHECK(proven({}) == ",");
  CHECK(proven({"/IAP/low"}) == "low,");
  CHECK(proven({"/IAP/high", "/IAP/low", "/IAP/medium"}) == "high,");
  CHECK(proven({"/profile/cappuccino"}) == "medium,");
  CHECK(proven({"/profile/cappuccino", "/profile/espresso", "/version/2"}) == "high,");
  CHECK(proven({"/IAP/medium", "/version/2"}) == "medium,");
  for (const std::string other :
       {"/IAP/local-enterprise", "/IAP/HIGH", "/IAP/high/", "https://refeds.org.example/assurance/IAP/high", "/version/2", "high",
        "https://aai.egi.eu/LoA#High"}) {
    CAPTURE(other);
    CHECK(proven({other}) == ",");
  }
  CHECK(proven({}, "https://refeds.org/profile/mfa") == ",mfa");
  CHECK(proven({"/IAP/low"}, "https://refeds.org/profile/sfa") == "low,sfa");
  CHECK(proven({}, "https://refeds.org/profile/mfa/") == ",");
  CHECK(proven({}, Json{"https://refeds.org/profile/sfa", "https://refeds.org/profile/mfa"}) == ",");  // one login, one word
  CHECK(proven({}, 2) == ",");
}
