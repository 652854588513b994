// SPDX-License-Identifier: Apache-2.0
#include "broker/core/countries.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace hansa {
namespace {

// As of 2026; code after code, sorted.
constexpr std::string_view kCodes =
    "ADAEAFAGAIALAMAOAQARASATAUAWAXAZ"
    "BABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZ"
    "CACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZ"
    "DEDJDKDMDODZ"
    "ECEEEGEHERESET"
    "FIFJFKFMFOFR"
    "GAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGY"
    "HKHMHNHRHTHU"
    "IDIEILIMINIOIQIRISIT"
    "JEJMJOJP"
    "KEKGKHKIKMKNKPKRKWKYKZ"
    "LALBLCLILKLRLSLTLULVLY"
    "MAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZ"
    "NANCNENFNGNINLNONPNRNUNZ"
    "OM"
    "PAPEPFPGPHPKPLPMPNPRPSPTPWPY"
    "QA"
    "RERORSRURW"
    "SASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZ"
    "TCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZ"
    "UAUGUMUSUYUZ"
    "VAVCVEVGVIVNVU"
    "WFWS"
    "YEYT"
    "ZAZMZW";

constexpr auto kCountries = [] {
  std::array<std::string_view, kCodes.size() / 2> countries;
  for (std::size_t i = 0; i < countries.size(); ++i) countries[i] = kCodes.substr(2 * i, 2);
  return countries;
}();
static_assert(kCountries.size() == kCountryCount && std::ranges::is_sorted(kCountries));

}  // namespace

bool is_country(std::string_view code) { return country_index(code).has_value(); }

std::optional<std::size_t> country_index(std::string_view code) {
  const auto at = std::ranges::lower_bound(kCountries, code);
  if (at == kCountries.end() || *at != code) return std::nullopt;
  return static_cast<std::size_t>(at - kCountries.begin());
}

std::string_view country_meant_by(std::string_view text) {
  if (text.size() != 2) return {};
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (upper == "UK") return "GB";
  if (upper == "EL") return "GR";  // the European Union's own abbreviation
  const auto at = std::ranges::lower_bound(kCountries, upper);
  return at != kCountries.end() && *at == upper ? *at : std::string_view{};
}

}  // namespace hansa
