// SPDX-License-Identifier: Apache-2.0
// Writes the API's OpenAPI document to standard output.
#include "broker/api/routes.hpp"

#include <iostream>

int main() {
  std::cout << hansa::api::openapi_document({.name = "broker", .country = "FI", .version = "0.0.0"}).dump(2) << '\n';
  return std::cout.good() ? 0 : 1;
}
