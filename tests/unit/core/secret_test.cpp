// SPDX-License-Identifier: Apache-2.0
#include "broker/core/secret.hpp"

#include <catch2/catch.hpp>
#include <malloc.h>

#include <concepts>
#include <cstdlib>
#include <memory>
#include <new>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

using namespace hansa;

namespace {

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) { out << value; };

/// What a Secret leaves behind in the memory that it was in.
class Place {
 public:
  template <typename... Args>
  Secret& make(Args&&... args) {
    return *(secret_ = std::construct_at(reinterpret_cast<Secret*>(bytes_), std::forward<Args>(args)...));
  }
  [[nodiscard]] std::string after_its_end() {
    std::destroy_at(secret_);
    return {bytes_, sizeof bytes_};
  }

 private:
  alignas(Secret) char bytes_[sizeof(Secret)] = {};
  Secret* secret_ = nullptr;
};

}  // namespace

// What is freed is looked at: a long secret lives on the heap. The sanitizers have a heap of their own and keep it.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
namespace {
std::string_view wanted;  // not to be freed as it is
int seen = 0;
void look_and_free(void* memory) noexcept {
  if (memory != nullptr && !wanted.empty() &&
      std::string_view(static_cast<const char*>(memory), malloc_usable_size(memory)).find(wanted) != std::string_view::npos)
    ++seen;
  std::free(memory);
}
}  // namespace
void* operator new(std::size_t size) {
  if (void* memory = std::calloc(1, size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { look_and_free(memory); }
void operator delete(void* memory, std::size_t) noexcept { look_and_free(memory); }
#endif

static_assert(Streamable<std::string> && !Streamable<Secret>);
static_assert(!std::convertible_to<Secret, std::string> && !std::convertible_to<Secret, std::string_view>);
static_assert(!std::convertible_to<std::string, Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);

TEST_CASE("a secret is what was put in, wherever it goes", "[T22]") {
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

TEST_CASE("nothing of a short secret stays in memory when it ends, is moved away or is replaced", "[T22]") {
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

#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
TEST_CASE("nothing of a long secret is freed as it is", "[T22]") {
  // The text is put together in place, so that no copy but the Secret's own is ever freed.
  const auto long_text = [](char c) {
    std::string text(200, '.');
    for (std::size_t i = 100; i < 116; ++i) text[i] = c;
    return text;
  };
  wanted = "################";
  seen = 0;
  { const std::string control = long_text('#'); }
  CHECK(seen == 1);  // the look sees

  seen = 0;
  { const Secret ended{long_text('#')}; }
  {
    Secret one{long_text('#')};
    const Secret copy = one;
    const Secret away = std::move(one);
  }
  {
    Secret replaced{long_text('#')};
    const Secret longer{long_text('-') + long_text('-')};
    replaced = longer;
    CHECK(replaced.reveal() == longer.reveal());
  }
  {
    Secret replaced{long_text('#')};
    replaced = Secret{"x"};
  }
  const int freed = seen;
  wanted = {};
  CHECK(freed == 0);
}
#endif
