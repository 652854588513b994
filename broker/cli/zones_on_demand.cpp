// SPDX-License-Identifier: Apache-2.0
// The library of time zones, loaded when a configuration that is looked at names one: mapping it, and the C++ library that it
// brings along, took a quarter of a call of `hansa`. These are the functions that broker/core/daily_hours.cpp calls, under their
// own names, as in openssl_on_demand.cpp (the test cli_links_little). Hidden: the library's own calls must not come through here.

#include <date/tz.h>
#include <dlfcn.h>

#include <stdexcept>

namespace {

/// Throws as the library does where it has no zones.
void* zone_function(const char* name) {
  static void* const kLibrary = ::dlopen("libdate-tz.so.3", RTLD_NOW | RTLD_LOCAL);
  if (void* const found = kLibrary == nullptr ? nullptr : ::dlsym(kLibrary, name)) return found;
  throw std::runtime_error("no libdate-tz.so.3");
}

}  // namespace

namespace date {

[[gnu::visibility("hidden")]] const time_zone* locate_zone(std::string_view name) {
  static const auto found = reinterpret_cast<const time_zone* (*)(std::string_view)>(
      zone_function("_ZN4date11locate_zoneESt17basic_string_viewIcSt11char_traitsIcEE"));
  return found(name);
}

[[gnu::visibility("hidden")]] const tzdb& get_tzdb() {
  static const auto found = reinterpret_cast<const tzdb& (*)()>(zone_function("_ZN4date8get_tzdbEv"));
  return found();
}

}  // namespace date
