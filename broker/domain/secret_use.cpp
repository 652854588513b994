// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/secret_use.hpp"

#include <algorithm>

namespace hansa::domain {
namespace {

constexpr std::size_t kMaxNameBytes = 64;

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

}  // namespace

bool is_secret_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && is_letter_or_digit(text.front()) &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

Result<SecretUse> parse_secret_use(std::string_view text) {
  const auto equals = text.find('=');
  const auto name = text.substr(0, equals);
  const auto file = equals == std::string_view::npos ? name : text.substr(equals + 1);
  // What is wrong is not repeated: it may be a secret that somebody has put in the place of its name.
  if (!is_secret_name(name))
    return fail(
        ErrorKind::invalid_argument, "BAD_SECRET",
        "a secret is named by 1 to 64 letters, digits, '.', '_' and '-', as hansa secret list shows it; what it is stands "
        "in no request for a job");
  if (!is_secret_name(file))
    return fail(
        ErrorKind::invalid_argument, "BAD_SECRET",
        "the file of secret " + std::string(name) + " is named by 1 to 64 letters, digits, '.', '_' and '-', without a folder");
  return SecretUse{.name = std::string(name), .file = std::string(file)};
}

std::string to_text(const SecretUse& use) { return use.file == use.name ? use.name : use.name + '=' + use.file; }

}  // namespace hansa::domain
