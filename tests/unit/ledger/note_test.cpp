// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/note.hpp"

#include "broker/core/encoding.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::ledger;

namespace {

// From golang.org/x/mod/sumdb/note's note_test.go.
constexpr const char* kPeter = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr const char* kPeterPrivate = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
constexpr const char* kEnoch = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
constexpr const char* kText =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
constexpr const char* kPeterLine =
    "\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
constexpr const char* kEnochLine =
    "\xe2\x80\x94 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

std::string note_with(const std::string& lines) { return std::string(kText) + "\n" + lines; }

}  // namespace

TEST_CASE("a note is signed byte for byte as Go signs it") {
  const auto signer = parse_signer(kPeterPrivate);
  REQUIRE(signer);
  CHECK(signer->verifier().text() == kPeter);
  CHECK(signer->text().reveal() == kPeterPrivate);
  const Note note{.text = kText, .signatures = {sign_note(*signer, kText)}};
  CHECK(note.str() == note_with(kPeterLine));
}

TEST_CASE("Go's notes are read, and each signature checked with its own key") {
  const auto note = parse_note(note_with(std::string(kPeterLine) + kEnochLine));
  REQUIRE(note);
  CHECK(note->text == kText);
  REQUIRE(note->signatures.size() == 2);
  const auto peter = parse_verifier(kPeter).value(), enoch = parse_verifier(kEnoch).value();
  CHECK(is_valid(note->signatures[0], peter, note->text));
  CHECK(is_valid(note->signatures[1], enoch, note->text));
  CHECK_FALSE(is_valid(note->signatures[0], enoch, note->text));
  CHECK_FALSE(is_valid(note->signatures[0], peter, note->text + "x\n"));
  auto spoilt = note->signatures[0];
  spoilt.bytes.back() ^= 1;
  CHECK_FALSE(is_valid(spoilt, peter, note->text));
  CHECK(note->str() == note_with(std::string(kPeterLine) + kEnochLine));
}

TEST_CASE("no mangled key is one") {
  const std::string key = kPeter;
  for (std::size_t from = 0; from <= key.size(); ++from) {
    for (std::size_t to = from + 1; to <= key.size(); ++to) {
      if (from == 0 && to == key.size()) continue;
      REQUIRE_FALSE(parse_verifier(key.substr(from, to - from)));
    }
  }
  for (std::size_t i = 0; i < key.size(); ++i) {
    auto other = key;
    ++other[i];
    REQUIRE_FALSE(parse_verifier(other));
  }
  CHECK_FALSE(parse_verifier("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="));
  CHECK_FALSE(parse_verifier("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"));
  const std::string secret = kPeterPrivate;
  for (std::size_t i = 0; i < secret.size(); ++i) {
    auto other = secret;
    ++other[i];
    REQUIRE_FALSE(parse_signer(other));
  }
}

TEST_CASE("what is no note is refused") {
  const std::string text = kText, line = kPeterLine;
  for (const auto& bad :
       {std::string(), text, text + "\n", "\n\n" + line, text + "\n" + line.substr(0, line.size() - 1),
        "\x01" + text + "\n" + line, "\xff" + text + "\n" + line, text + "\n" + line + "Unexpected line.\n",
        text + "\n\xe2\x80\x94 Bad Name "
               "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
        text + "\n\xe2\x80\x94 a+b x08go/ZJ\n", text + "\n\xe2\x80\x94 a x08go/ZK=\n", text + "\n\xe2\x80\x94 a AAAA\n"}) {
    INFO(bad);
    const auto note = parse_note(bad);
    REQUIRE_FALSE(note);
    CHECK(note.error().code == "BAD_NOTE");
  }
  std::string many;
  for (int i = 0; i < 64; ++i) many += kPeterLine;
  CHECK(parse_note(note_with(many)));
  CHECK_FALSE(parse_note(note_with(many + kPeterLine)));
}

TEST_CASE("a checkpoint has three lines in one spelling") {
  const Checkpoint head{"example.com/behind-the-sofa", 20852163, hash_of("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=").value()};
  CHECK(head.text() == "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n");
  CHECK(parse_checkpoint(head.text()).value() == head);
  for (const auto* bad :
       {"", "a\n1\n", "a\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "a\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", "a\n+1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nmore\n",
        "a\n99999999999999999999\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"}) {
    INFO(bad);
    CHECK_FALSE(parse_checkpoint(bad));
  }
}

TEST_CASE("a cosignature tells when, and is of one checkpoint by one witness") {
  const Signer witness{.name = "witness.example.com/w1", .seed = Secret(std::string(32, 'w'))};
  const auto key = witness.verifier(KeyUse::cosignature);
  CHECK(parse_verifier(key.text()).value() == key);
  const std::string text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
  const auto made = cosign(witness, text, from_unix_seconds(1679315147));
  CHECK(made.bytes.size() == 4 + 8 + 64);
  CHECK(made.bytes.substr(4, 8) == std::string("\0\0\0\0\x64\x18\x50\xcb", 8));  // as in the specification's example
  CHECK(time_of(made) == from_unix_seconds(1679315147));
  CHECK(is_valid(made, key, text));
  CHECK(is_signed_by(key.key, "cosignature/v1\ntime 1679315147\n" + text, made.bytes.substr(12)));
  CHECK_FALSE(is_valid(made, witness.verifier(), text));  // the same key signs no notes by it
  CHECK_FALSE(is_valid(made, key, "other\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"));
  auto later = made;
  later.bytes[11] ^= 1;
  CHECK_FALSE(is_valid(later, key, text));
  CHECK(parse_signature(line_of(made)).value() == made);
}

TEST_CASE("Ed25519 is that of RFC 8032") {
  const auto bytes = [](const std::string& hex) {
    std::string out;
    for (std::size_t i = 0; i < hex.size(); i += 2) out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return out;
  };
  // 7.1, test 2
  const Secret seed(bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
  const auto key = public_key_of(seed);
  CHECK(std::string(key.begin(), key.end()) == bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
  const auto made = sign(seed, "\x72");
  CHECK(made == bytes("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4"
                      "302aeeb00d291612bb0c00"));
  CHECK(is_signed_by(key, "\x72", made));
  CHECK_FALSE(is_signed_by(key, "\x73", made));
  CHECK_FALSE(is_signed_by(key, "\x72", made.substr(1)));
}
