// SPDX-License-Identifier: Apache-2.0
#include "broker/core/secret.hpp"

#include <catch2/catch.hpp>

#include <concepts>
#include <format>
#include <memory>
#include <ostream>
#include <string>

using namespace hansa;

namespace {

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) { out << value; };

/// What a Secret leaves behind in the memory that it was in.
class Place {
 public:
  template <typename... Args>
  Secret& make(Args&&... args) { return *(secret_ = std::construct_at(reinterpret_cast<Secret*>(bytes_), std::forward<Args>(args)...)); }
  [[nodiscard]] std::string after_its_end() {
    std::destroy_at(secret_);
    return {bytes_, sizeof bytes_};
  }

 private:
  alignas(Secret) char bytes_[sizeof(Secret)] = {};
  Secret* secret_ = nullptr;
};

}  // namespace

static_assert(Streamable<std::string> && !Streamable<Secret>);
static_assert(!std::default_initializable<std::formatter<Secret, char>>);
static_assert(!std::convertible_to<Secret, std::string> && !std::convertible_to<Secret, std::string_view>);
static_assert(!std::convertible_to<std::string, Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);

TEST_CASE("a secret is what was put in, wherever it goes") {
  const std::string text = "hunter2";
  Secret secret{text};
  CHECK(secret.reveal() == text);
  CHECK_FALSE(secret.empty());
  CHECK(Secret{}.empty());
  Secret copy = secret;
  CHECK(copy.reveal() == text);
  const Secret moved = std::move(copy);
  CHECK(moved.reveal() == text);
  copy = moved;
  CHECK(copy.reveal() == text);
  Secret target{"another"};
  target = std::move(copy);
  CHECK(target.reveal() == text);
  auto& itself = target;
  target = itself;
  CHECK(target.reveal() == text);
}

TEST_CASE("nothing of a short secret stays in memory when it ends, is moved away or is replaced") {
  Place ended;
  ended.make("hunter2-short");
  CHECK(ended.after_its_end().find("unter2") == std::string::npos);

  Place left;
  {
    const Secret away = std::move(left.make("hunter2-short"));
    CHECK(away.reveal() == "hunter2-short");
  }
  CHECK(left.after_its_end().find("unter2") == std::string::npos);

  Place replaced;
  replaced.make("hunter2-short") = Secret{"x"};
  CHECK(replaced.after_its_end().find("unter2") == std::string::npos);
}
