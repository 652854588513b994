// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/authenticator.hpp"

#include "broker/async/run_on.hpp"
#include "broker/async/with_deadline.hpp"
#include "broker/core/digest.hpp"
#include "broker/identity/ascii.hpp"
#include "broker/identity/assurance.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace hansa::identity {

using Shut = ports::Revocation::What;

namespace {

constexpr std::size_t kVerdictsKept = 20'000;
constexpr Seconds kRefusalCounts{10};  // of an issuer, on a token: whoever repeats it does not have it asked again and again
constexpr Milliseconds kLongestWait{12'000};
constexpr Seconds kMembershipSaidAnew{86'400};  // what is the same still is written again after so long
constexpr Seconds kVouchedSaidAnew{3'600};       // which rules believe for a day (policies/rules/vocabulary.cpp)
constexpr std::string_view kOwnToken = "hansa_";

}  // namespace

Authenticator::Authenticator(Parts parts, std::vector<Issuer> issuers, const KeptOf& kept_of)
    : parts_(std::move(parts)),
      issuers_(std::move(issuers)),
      revocations_(parts_.scheduler, parts_.revocations),
      background_(parts_.strand, issuers_.size() * 2 + 1, [](std::string_view, const Error&) {}) {
  for (const auto& issuer : issuers_) {
    terms_.push_back(issuer.terms);
    providers_.push_back(std::make_unique<Provider>(parts_.strand, parts_.scheduler, parts_.outward, parts_.log, issuer.provider,
                                                    kept_of(issuer.terms.id)));
  }
}

async::Task<> Authenticator::load() {
  if (auto loaded = co_await revocations_.load(); !loaded) co_return loaded;
  auto known = co_await parts_.memberships.memberships();
  if (!known) co_return std::unexpected(known.error());
  for (const auto& provider : providers_) provider->load();
  const std::scoped_lock lock(mutex_);
  for (auto& membership : *known) {
    // A project that no group of the issuer's comes to any more was taken back by its operator.
    const auto id = membership.person.str().substr(0, membership.person.str().find(':'));
    const auto issuer = std::ranges::find(issuers_, id, [](const Issuer& one) -> const std::string& { return one.terms.id; });
    if (issuer == issuers_.end()) continue;
    const auto& rules = issuer->standing;
    std::erase_if(membership.projects, [&](const ProjectId& project) {
      const auto names = [&](const auto& rule) { return rule.second == project; };
      return std::ranges::none_of(rules.projects, names) && std::ranges::none_of(rules.leads, names);
    });
    spellings_.emplace(in_lower_case(membership.person.str()), membership.person);
    memberships_.emplace(membership.person, std::move(membership));
  }
  co_return Result<void>{};
}

async::Task<> Authenticator::start() {
  for (const auto& provider : providers_) (void)background_.spawn("keys of an issuer", provider->refresh());
  co_return Result<void>{};
}

async::Task<> Authenticator::close() {
  (void)co_await background_.close();
  for (const auto& provider : providers_) (void)co_await provider->close();
  co_return Result<void>{};
}

Result<FederatedToken> Authenticator::check(std::string_view token, std::optional<std::size_t>* found) const {
  const auto keys_of = [this, found](std::size_t issuer) {
    if (found != nullptr) *found = issuer;
    return providers_[issuer]->keys();
  };
  return check_token(token, terms_, keys_of, parts_.scheduler.now_utc());
}

Result<void> Authenticator::check_revoked(std::size_t issuer, std::string_view jti, std::string_view kid) const {
  const auto& id = terms_[issuer].id;
  if (auto good = revocations_.check(Shut::issuer, id); !good) return good;
  if (auto good = revocations_.check(Shut::key, id + ":" + std::string(kid)); !good) return good;
  return jti.empty() ? Result<void>{} : revocations_.check(Shut::token, id + ":" + std::string(jti));
}

std::optional<Authenticator::Verdict> Authenticator::seen_before(const std::string& hash) const {
  const std::scoped_lock lock(mutex_);
  const auto at = verdicts_.find(hash);
  if (at == verdicts_.end() || parts_.scheduler.now_monotonic() >= at->second.good_until ||
      parts_.scheduler.now_utc() >= at->second.expires_at)
    return std::nullopt;
  return at->second;
}

void Authenticator::remember(const std::string& hash, Verdict verdict) {
  const std::scoped_lock lock(mutex_);
  if (verdicts_.size() >= kVerdictsKept) {
    const auto now = parts_.scheduler.now_monotonic();
    std::erase_if(verdicts_, [now](const auto& entry) { return now >= entry.second.good_until; });
    if (verdicts_.size() >= kVerdictsKept) verdicts_.clear();
  }
  verdicts_.insert_or_assign(hash, std::move(verdict));
}

void Authenticator::count_refusal(const std::string& code) {
  const std::scoped_lock lock(mutex_);
  ++refusals_[code];
}

async::Task<Caller> Authenticator::authenticate(std::string authorization, async::Deadline deadline) {
  const auto token = bearer_of(authorization);
  const bool ours = issuers_.empty() || token.empty() || token.starts_with(kOwnToken);
  Result<Caller> caller;
  if (ours)
    caller = parts_.tokens.authenticate(authorization);
  else
    caller = co_await by_issuer(Secret(std::string(token)), deadline);
  if (caller) {
    if (auto good = revocations_.check(Shut::person, caller->principal.str()); !good) caller = std::unexpected(good.error());
  }
  if (!caller) count_refusal(caller.error().code);
  co_return caller;
}

Result<void> Authenticator::screen(std::string_view authorization) const {
  const auto token = bearer_of(authorization);
  Principal person;
  if (issuers_.empty() || token.empty() || token.starts_with(kOwnToken)) {
    const auto caller = parts_.tokens.authenticate(authorization);
    if (!caller) return std::unexpected(caller.error());
    person = caller->principal;
  } else {
    const auto checked = check(token);
    if (!checked && checked.error().code == "KEY_UNKNOWN")
      return fail(
          ErrorKind::unavailable, "NOT_SEEN_YET",
          "the key of this token has not been seen yet: ask for something small first (GET /v1/me), then send this again");
    if (!checked) return std::unexpected(checked.error());
    if (auto good = check_revoked(checked->issuer, checked->jti, checked->kid); !good) return good;
    person = checked->principal;
  }
  return revocations_.check(Shut::person, person.str());
}

async::Task<FederatedToken> Authenticator::gate(const Secret& token, async::Deadline deadline) {
  std::optional<std::size_t> issuer;  // once it is found, which is before its keys are asked for
  auto checked = check(token.reveal(), &issuer);
  if (checked && providers_[*issuer]->keys_are_old()) {  // they count until newer ones are there: nobody waits for those
    boost::asio::post(parts_.strand,
                      [this, at = *issuer] { (void)background_.spawn("keys of an issuer", providers_[at]->refresh()); });
  }
  const bool key_missing = !checked && (checked.error().code == "KEY_UNKNOWN" || checked.error().code == "KEYS_NOT_KNOWN");
  if (!key_missing) co_return checked;
  const auto read =
      co_await async::with_deadline(parts_.scheduler, deadline, async::run_on(parts_.strand, providers_[*issuer]->refresh()));
  auto again = check(token.reveal());
  if (!again && again.error().code == "KEYS_NOT_KNOWN" && !read) again.error().message += " (" + read.error().message + ")";
  co_return again;
}

async::Task<Caller> Authenticator::by_issuer(Secret token, async::Deadline deadline) {
  deadline = deadline.shortened_to(parts_.scheduler, kLongestWait);
  const auto hash = sha256_hex(token.reveal());
  if (const auto verdict = seen_before(hash)) {
    if (auto good = check_revoked(verdict->issuer, verdict->jti, verdict->kid); !good) co_return std::unexpected(good.error());
    co_return verdict->caller;
  }
  auto seen = co_await gate(token, deadline);
  if (!seen) co_return std::unexpected(seen.error());
  const auto& issuer = issuers_[seen->issuer];
  if (auto good = check_revoked(seen->issuer, seen->jti, seen->kid); !good) co_return std::unexpected(good.error());
  if (issuer.refused.contains(seen->subject))
    co_return fail(ErrorKind::permission_denied, "SUBJECT_REFUSED",
                   "this account of your issuer may do nothing here (refused_subjects)");

  const auto now = parts_.scheduler.now_monotonic();
  Verdict verdict{.issuer = seen->issuer,
                  .jti = seen->jti,
                  .kid = seen->kid,
                  .expires_at = seen->expires_at,
                  .good_until = now + issuer.claims_last,
                  .caller = {}};
  auto found = co_await standing(token, hash, *seen, deadline);
  if (!found) {
    // What was not told now may be told in a moment; what was decided holds for a while.
    const bool decided = found.error().kind == ErrorKind::unauthenticated || found.error().kind == ErrorKind::permission_denied;
    verdict.good_until = now + std::min<Milliseconds>(kRefusalCounts, issuer.claims_last);
    verdict.caller = std::unexpected(found.error());
    if (decided) remember(hash, std::move(verdict));
    co_return std::unexpected(found.error());
  }
  if (auto kept = co_await remember_membership(seen->principal, *found); !kept) co_return std::unexpected(kept.error());
  Caller caller{.principal = seen->principal,
                .role = found->role,
                .token_id = "sha256:" + hash.substr(0, 16),
                .sites = std::move(found->sites),
                .leads = std::move(found->leads)};
  verdict.caller = caller;
  remember(hash, std::move(verdict));
  co_return caller;
}

async::Task<Standing> Authenticator::standing(const Secret& token, const std::string& hash, const FederatedToken& seen,
                                              async::Deadline deadline) {
  const auto& issuer = issuers_[seen.issuer];
  if (issuer.provider.claims_from == ClaimsFrom::token) co_return standing_of(seen.claims, issuer.standing);
  auto told = co_await async::with_deadline(
      parts_.scheduler, deadline, async::run_on(parts_.strand, providers_[seen.issuer]->claims(token, hash, seen.subject)));
  if (!told && told.error().kind == ErrorKind::deadline_exceeded)
    co_return fail(ErrorKind::unavailable, "CLAIMS_UNAVAILABLE",
                   "who you are is known, but issuer " + issuer.terms.id + " does not say in time what you may: try again");
  if (!told) co_return std::unexpected(told.error());
  auto standing = standing_of(*told, issuer.standing);
  if (standing &&
      standing->authentication.empty()) {  // of a login the token itself may say more than UserInfo does of its person
    if (const auto acr = seen.claims.find("acr"); acr != seen.claims.end() && acr->is_string())
      standing->authentication = login_assurance(acr->get_ref<const std::string&>());
  }
  co_return standing;
}

async::Task<> Authenticator::remember_membership(Principal person, Standing standing) {
  const auto now = parts_.scheduler.now_utc();
  const bool by_groups = standing.projects.has_value();
  ports::Membership membership{.person = person,
                               .projects = std::move(standing.projects).value_or(std::vector<ProjectId>{}),
                               .seen_at = now,
                               .assurance = std::move(standing.assurance),
                               .authentication = std::move(standing.authentication)};
  const bool vouched = !membership.assurance.empty() || !membership.authentication.empty();
  {
    const std::scoped_lock lock(mutex_);
    const auto [spelling, is_new] = spellings_.emplace(in_lower_case(person.str()), person);
    if (!is_new && spelling->second != person)
      parts_.log.write(ports::LogLevel::warning, "two people of an issuer differ in upper and lower case alone: they stay two",
                       {{"one", spelling->second.str()}, {"other", person.str()}});
    if (!by_groups) co_return Result<void>{};  // what was heard last stands
    const auto known = memberships_.find(person);
    const Seconds fresh = vouched ? kVouchedSaidAnew : kMembershipSaidAnew;
    const bool same = known != memberships_.end() && known->second.projects == membership.projects &&
                      known->second.assurance == membership.assurance &&
                      known->second.authentication == membership.authentication && now - known->second.seen_at < fresh &&
                      now >= known->second.seen_at;
    if (same || (known == memberships_.end() && membership.projects.empty() && !vouched)) co_return Result<void>{};
  }
  if (auto kept = co_await parts_.memberships.keep_membership(membership); !kept) co_return kept;
  const std::scoped_lock lock(mutex_);
  memberships_.insert_or_assign(std::move(person), std::move(membership));
  co_return Result<void>{};
}

std::vector<ProjectId> Authenticator::projects_of(const Principal& person) const {
  const std::scoped_lock lock(mutex_);
  const auto at = memberships_.find(person);
  if (at == memberships_.end() || parts_.scheduler.now_utc() - at->second.seen_at > kMembershipLasts) return {};
  return at->second.projects;
}

std::optional<ports::Membership> Authenticator::heard_of(const Principal& person) const {
  const std::scoped_lock lock(mutex_);
  const auto at = memberships_.find(person);
  return at == memberships_.end() ? std::nullopt : std::optional(at->second);
}

void Authenticator::forget(const Principal& person) {
  revocations_.forget(person);
  const std::scoped_lock lock(mutex_);
  std::erase_if(verdicts_, [&](const auto& entry) { return entry.second.caller && entry.second.caller->principal == person; });
  memberships_.erase(person);
  const auto spelling = spellings_.find(in_lower_case(person.str()));
  if (spelling != spellings_.end() && spelling->second == person) spellings_.erase(spelling);
}

void Authenticator::write(metrics::Exposition& page) const {
  using metrics::Kind;
  page.family("hansa_tokens_refused_total", Kind::counter, "Requests refused for their token since start, by reason.");
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [code, count] : refusals_) page.sample(count, {{"code", code}});
  }
  const auto per_issuer = [&](std::string_view name, Kind kind, std::string_view help, auto value) {
    page.family(name, kind, help);
    for (const auto& provider : providers_) page.sample(value(*provider), {{"issuer", provider->options().id}});
  };
  per_issuer("hansa_issuer_key_reads_total", Kind::counter, "Times that the issuer's keys were read since start.",
             [](const Provider& provider) { return provider.figures().key_reads; });
  per_issuer("hansa_issuer_key_read_failures_total", Kind::counter, "Times that they could not be read since start.",
             [](const Provider& provider) { return provider.figures().failed_key_reads; });
  per_issuer("hansa_issuer_claim_calls_total", Kind::counter, "Times that the issuer was asked about a person since start.",
             [](const Provider& provider) { return provider.figures().claim_calls; });
  per_issuer("hansa_issuer_claim_failures_total", Kind::counter, "Times that it did not answer that since start.",
             [](const Provider& provider) { return provider.figures().failed_claim_calls; });
  per_issuer("hansa_issuer_keys_known", Kind::gauge, "Whether keys of the issuer are known that count.",
             [](const Provider& provider) { return std::int64_t{provider.keys() != nullptr}; });
}

Result<LocalAccount> FederatedAccounts::account_of(const Principal& person, const SiteId& site) const {
  if (!authenticator_.revocations().check(Shut::person, person.str()))
    return fail(ErrorKind::permission_denied, "PERSON_REVOKED",
                person.str() + " is shut out of this broker; an operator lifts that (hansa token restore)");
  return configured_.account_of(person, site);
}
std::vector<LocalAccount> FederatedAccounts::accounts_at(const SiteId& site) const { return configured_.accounts_at(site); }
std::vector<Principal> FederatedAccounts::people_as(const LocalAccount& account, const SiteId& site) const {
  return configured_.people_as(account, site);
}
std::vector<ProjectId> FederatedAccounts::projects_of(const Principal& person) const {
  if (!authenticator_.revocations().check(Shut::person, person.str())) return {};
  auto projects = configured_.projects_of(person);
  for (auto& project : authenticator_.projects_of(person)) {
    if (std::ranges::find(projects, project) == projects.end()) projects.push_back(std::move(project));
  }
  return projects;
}
std::vector<ProjectId> FederatedAccounts::led_by(const Principal& person) const {
  if (!authenticator_.revocations().check(Shut::person, person.str())) return {};
  return configured_.led_by(person);
}

}  // namespace hansa::identity
