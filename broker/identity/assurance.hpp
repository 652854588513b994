// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an issuer vouches for of a person, in the words that rules know (policies/rules/vocabulary.cpp). Sources: REFEDS Assurance
// Framework 1.0 and 2.0, the values of eduPersonAssurance; REFEDS single-factor and multi-factor authentication profiles, the
// value of acr.

#include <span>
#include <string_view>

namespace hansa::identity {

/// How well the identity was proven: "low", "medium" or "high", the best that stands there; "" if none does. A profile counts for
/// the proof that it asks for: cappuccino medium, espresso high. Version 2 of the framework defines the same levels anew and says
/// so by a value of its own, which changes nothing here.
std::string_view identity_assurance(std::span<const std::string_view> values);

/// How the person logged in: "sfa" or "mfa"; "": the issuer does not say, or says it in another framework's words.
std::string_view login_assurance(std::string_view acr);

}  // namespace hansa::identity
