// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/certificate.hpp"

#include "broker/core/encoding.hpp"
#include "broker/core/time_text.hpp"
#include "connectors/protocol/lines.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace hansa::connectors::remote {

namespace {

constexpr std::string_view kKeyType = "ssh-ed25519";
constexpr std::string_view kCertificateType = "ssh-ed25519-cert-v01@openssh.com";
constexpr std::size_t kKeyBytes = 32;
constexpr std::uint32_t kOfAUser = 1;
constexpr std::size_t kMostPrincipals = 256;    // SSHKEY_CERT_MAX_PRINCIPALS
constexpr std::int64_t kMostSeconds = 253'402'300'799;  // the year 9999: later is never
constexpr Seconds kClockSkew{300};              // between the CA's clock and ours

/// RFC 4251, section 5.
class Blob {
 public:
  explicit Blob(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (const char c : take(size)) value = value << 8U | static_cast<unsigned char>(c);
    return value;
  }
  std::string_view text() { return take(number(4)); }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool at_end() const { return good_ && rest_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    good_ = good_ && size <= rest_.size();
    if (!good_) return {};
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
  bool good_ = true;
};

std::unexpected<Error> bad(const std::string& where, const std::string& what) {
  return fail(ErrorKind::invalid_argument, "CREDENTIAL_BAD", where + " " + what);
}

/// Of "TYPE BASE64 comment".
std::optional<std::string> blob_of(std::string_view text, std::string_view type) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos || !text.substr(begin).starts_with(type)) return std::nullopt;
  text.remove_prefix(begin + type.size());
  const auto data = text.find_first_not_of(" \t");
  if (data == 0 || data == std::string_view::npos) return std::nullopt;
  text.remove_prefix(data);
  text = text.substr(0, text.find_first_of(kSpace));
  return from_base64(text);
}

bool is_one_line(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return !text.contains('\n');
}

UtcTime time_of(std::uint64_t seconds) {
  if (seconds > std::uint64_t{kMostSeconds}) return UtcTime::max();
  return UtcTime{Seconds{static_cast<std::int64_t>(seconds)}};
}

}  // namespace

Result<Certificate> read_certificate(std::string_view text, const std::string& where) {
  const auto none = bad(where, "is no OpenSSH certificate of an Ed25519 key: one line \"" + std::string(kCertificateType) +
                                   " AAAA...\", as ssh-keygen -s writes it");
  if (text.size() > kMaxCertificateBytes || !is_one_line(text)) return none;
  const auto bytes = blob_of(text, kCertificateType);
  if (!bytes) return none;
  Blob blob(*bytes);
  const auto type = blob.text();
  (void)blob.text();  // its nonce
  Certificate certificate{.line = std::string(kCertificateType) + " " + to_base64(*bytes),
                          .key = std::string(blob.text()),
                          .id = {},
                          .principals = {}};
  (void)blob.number(8);  // its serial number
  const auto whose = blob.number(4);
  certificate.id = protocol::excerpt(blob.text());
  Blob principals(blob.text());
  certificate.begins = time_of(blob.number(8));
  certificate.ends = time_of(blob.number(8));
  for (int i = 0; i < 5; ++i) (void)blob.text();  // critical options, extensions, reserved, the CA's key, its signature
  if (!blob.at_end() || type != kCertificateType || certificate.key.size() != kKeyBytes) return none;
  while (principals.good() && !principals.at_end() && certificate.principals.size() < kMostPrincipals)
    certificate.principals.emplace_back(principals.text());
  if (!principals.at_end()) return none;
  if (whose != kOfAUser) return bad(where, "is a host's certificate, not a user's");
  return certificate;
}

Result<std::string> read_public_key(std::string_view text, const std::string& where) {
  const auto bytes = blob_of(text, kKeyType);
  Blob blob(bytes ? std::string_view(*bytes) : std::string_view());
  const auto type = blob.text();
  std::string key(blob.text());
  if (!blob.at_end() || type != kKeyType || key.size() != kKeyBytes) return bad(where, "is no public Ed25519 key");
  return key;
}

Result<void> check_certificate(const Certificate& certificate, std::string_view key, std::string_view principal, UtcTime now,
                               const std::string& where) {
  if (certificate.key != key) return bad(where, "is a certificate for another key than the one that was to be signed");
  if (certificate.principals.empty())
    return bad(where,
               "names no principal, which is good for every account: have it signed for \"" + std::string(principal) + "\"");
  if (std::ranges::find(certificate.principals, principal) == certificate.principals.end()) {
    return bad(where, "is for " + protocol::excerpt(certificate.principals.front()) + ", not for the principal \"" +
                          std::string(principal) + "\"");
  }
  if (certificate.begins > now + kClockSkew)
    return bad(where, "begins only at " + format_utc(certificate.begins) + ": look at the clocks of this machine and of the CA");
  if (certificate.ends <= now)
    return bad(where, "ended at " + format_utc(certificate.ends) + ": look at the clocks of this machine and of the CA");
  return {};
}

}  // namespace hansa::connectors::remote
