// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who is asking: by a token of the broker's own, or by an access token of an issuer that the configuration names. A person is an
// issuer and a subject there, never a name or an address of mail. Every answer costs no more than a hash once a token has been
// seen; what has to be asked of an issuer is asked once for all and keeps nobody else waiting.

#include "broker/identity/provider.hpp"
#include "broker/identity/revocations.hpp"
#include "broker/identity/standing.hpp"
#include "broker/identity/token_gate.hpp"
#include "broker/identity/tokens.hpp"
#include "broker/metrics/exposition.hpp"
#include "broker/ports/accounts.hpp"

#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

namespace hansa::identity {

/// An issuer, all that the configuration says of it.
struct Issuer {
  IssuerTerms terms;
  Provider::Options provider;
  StandingRules standing;
  Milliseconds claims_last{300'000};  // what it said of a person counts for so long
  std::set<std::string> refused = {};  // subjects that get nowhere: an issuer's test accounts
  // For clients.
  std::string name = {};
  std::string login_client = {};
  std::vector<std::string> scopes = {};
  std::string resource = {};
};

class Authenticator {
 public:
  struct Parts {
    boost::asio::any_io_executor strand;
    async::Scheduler& scheduler;
    Outward& outward;
    ports::Log& log;
    TokenAuthority& tokens;
    ports::RevocationStore& revocations;
    ports::MembershipStore& memberships;
  };
  using KeptOf = std::function<KeptKeys(const std::string& issuer)>;

  Authenticator(Parts parts, std::vector<Issuer> issuers, const KeptOf& kept_of);

  // On the strand.
  /// Before the first request: revocations, memberships, keys as they were kept.
  async::Task<> load();
  /// Begins to read the keys.
  async::Task<> start();
  async::Task<> close();

  // On any thread.
  /// Errors: TokenAuthority's, check_token's and Provider's, standing_of's, Revocations', and SUBJECT_REFUSED.
  async::Task<Caller> authenticate(std::string authorization, async::Deadline deadline);
  /// Whether a long body is worth reading: the same as far as it goes without a call. A token whose key is not known here is
  /// refused with NOT_SEEN_YET: its owner asks for something small first.
  [[nodiscard]] Result<void> screen(std::string_view authorization) const;
  /// By the groups that the issuer named last, for a week.
  [[nodiscard]] std::vector<ProjectId> projects_of(const Principal& person) const;
  /// What the issuer said of the person last, however long ago.
  [[nodiscard]] std::optional<ports::Membership> heard_of(const Principal& person) const;
  [[nodiscard]] const std::vector<Issuer>& issuers() const { return issuers_; }
  [[nodiscard]] Revocations& revocations() { return revocations_; }
  /// Nothing is known of them any more but that they are shut out, if they are.
  void forget(const Principal& person);
  [[nodiscard]] const Revocations& revocations() const { return revocations_; }
  /// Families without samples where there is no issuer.
  void write(metrics::Exposition& page) const;

  static constexpr Seconds kMembershipLasts{7 * 86'400};

 private:
  struct Verdict {
    std::size_t issuer = 0;
    std::string jti, kid;
    UtcTime expires_at{};
    MonotonicTime good_until{};
    Result<Caller> caller;
  };

  async::Task<Caller> by_issuer(Secret token, async::Deadline deadline);
  async::Task<FederatedToken> gate(const Secret& token, async::Deadline deadline);
  async::Task<Standing> standing(const Secret& token, const std::string& hash, const FederatedToken& seen,
                                 async::Deadline deadline);
  [[nodiscard]] Result<FederatedToken> check(std::string_view token, std::optional<std::size_t>* found = nullptr) const;
  [[nodiscard]] Result<void> check_revoked(std::size_t issuer, std::string_view jti, std::string_view kid) const;
  [[nodiscard]] std::optional<Verdict> seen_before(const std::string& hash) const;
  void remember(const std::string& hash, Verdict verdict);
  async::Task<> remember_membership(Principal person, Standing standing);
  void count_refusal(const std::string& code);

  Parts parts_;
  const std::vector<Issuer> issuers_;
  std::vector<IssuerTerms> terms_;  // in the same order
  std::vector<std::unique_ptr<Provider>> providers_;
  Revocations revocations_;
  mutable std::mutex mutex_;  // of all that follows
  std::unordered_map<std::string, Verdict> verdicts_;  // by the token's SHA-256
  std::map<Principal, ports::Membership> memberships_;
  std::unordered_map<std::string, Principal> spellings_;  // of principals, in lower case
  std::map<std::string, std::int64_t> refusals_;
  async::TaskGroup background_;
};

/// The configuration's people and projects, and the projects that groups came to. Who is shut out has neither: account_of then
/// fails with PERSON_REVOKED, permission_denied.
class FederatedAccounts final : public ports::Accounts {
 public:
  FederatedAccounts(const ports::Accounts& configured, const Authenticator& authenticator)
      : configured_(configured), authenticator_(authenticator) {}

  [[nodiscard]] Result<LocalAccount> account_of(const Principal& person, const SiteId& site) const override;
  [[nodiscard]] std::vector<LocalAccount> accounts_at(const SiteId& site) const override;
  [[nodiscard]] std::vector<Principal> people_as(const LocalAccount& account, const SiteId& site) const override;
  [[nodiscard]] std::vector<ProjectId> projects_of(const Principal& person) const override;
  /// The configuration's alone: what groups make of somebody comes with their token.
  [[nodiscard]] std::vector<ProjectId> led_by(const Principal& person) const override;

 private:
  const ports::Accounts& configured_;
  const Authenticator& authenticator_;
};

}  // namespace hansa::identity
