// SPDX-License-Identifier: Apache-2.0
#include "broker/store/usage_context.hpp"

#include "broker/domain/canonical_text.hpp"

#include <catch2/catch.hpp>

using namespace hansa;

TEST_CASE("only a job that says something of its runs' context is looked up for it") {
  const auto has_more = [](const domain::JobSpec& spec) { return store::UsageContexts::has_more(domain::canonical_text(spec)); };
  domain::JobSpec spec;
  spec.project = ProjectId("labels");
  spec.name = R"(","labels":["health"],"datasets":[)";
  CHECK_FALSE(has_more(spec));
  SECTION("data") { spec.datasets = {DatasetId("d")}; }
  SECTION("labels") { spec.labels = {domain::Label("health")}; }
  SECTION("nodes of its own") { spec.resources.exclusive = true; }
  SECTION("a model of GPU") { spec.resources.gpu_model = "a100"; }
  SECTION("one of a variant") {
    spec.variants.push_back({});
    spec.variants.back().resources.gpu_model = "a100";
  }
  CHECK(has_more(spec));
}
