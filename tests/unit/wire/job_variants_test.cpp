// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/job_variants.hpp"

#include "broker/wire/job_request.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace hansa;
using namespace hansa::wire;

namespace {

const std::string kImage = "oras://r.example.org/ai/torch@sha256:" + std::string(64, 'b');

Json job(Json fields) {
  fields["script"] = "#!/bin/sh\n";
  return fields;
}
Json variants(Json list) { return job({{"variants", std::move(list)}}); }
Json one(Json fields) {
  if (!fields.contains("when")) fields["when"] = Json::object();
  return variants(Json::array({std::move(fields)}));
}
Json when(Json condition) { return one({{"when", std::move(condition)}}); }

domain::Submission read(const Json& json) {
  auto submission = job_from_json(json);
  INFO((submission ? "" : submission.error().message));
  REQUIRE(submission);
  return std::move(*submission);
}

}  // namespace

TEST_CASE("a malformed variant or container is refused at its place with what is allowed") {
  struct Row {
    Json job;
    std::string where;
    std::string message;
  };
  Json many = Json::array();
  for (int i = 0; i < 17; ++i) many.push_back({{"when", {{"gpu_model", "m" + std::to_string(i)}}}});
  const Row kTable[] = {
      {job({{"container", "x"}}), "/container", "must be an object"},
      {job({{"container", {{"image", 1}}}}), "/container/image", "must be a string"},
      {job({{"container", {{"image", "docker://a/b:1"}}}}), "/container/image", "not pinned by its digest"},
      {job({{"container", {{"binds", {"/x"}}}}}), "/container/image", "is required"},
      {job({{"container", {{"image", kImage}, {"binds", {"/ok", "/a b"}}}}}), "/container/binds/1", "must be SOURCE"},
      {job({{"container", {{"image", kImage}, {"binds", {"/a", "/a"}}}}}), "/container/binds/1", "twice"},
      {job({{"container", {{"image", kImage}, {"inside", "out"}}}}), "/container/inside", "must be \"script\""},
      {job({{"container", {{"image", kImage}, {"bind", 1}}}}), "/container/bind", "did you mean \"binds\"?"},
      {job({{"container", {{"image", "code:x.sif"}}}}), "/container/image", "it brings none"},
      {one({{"container", {{"image", "code:x.sif"}}}}), "/variants/0/container/image", "it brings none"},
      {job({{"container", {{"image", "data:/etc/passwd"}}}}), "/container/image", "no file of a dataset"},
      {job({{"network", "inbound"}}), "/network", "must be \"outbound\""},
      {one({{"network", 1}}), "/variants/0/network", "must be a string"},
      {job({{"modules", "gcc"}}), "/modules", "must be a list"},
      {job({{"modules", {"gcc", "PyTorch/2.3"}}}), "/modules/1", "a name of the site's profile"},
      {job({{"modules", {"-x"}}}), "/modules/0", "a name of the site's profile"},
      {job({{"modules", {"gcc", "gcc"}}}), "/modules/1", "twice"},
      {variants("amd"), "/variants", "must be a list"},
      {variants(many), "/variants", "more than 16"},
      {variants({1}), "/variants/0", "must be an object"},
      {variants({{{"name", "x"}}}), "/variants/0/when", "is required"},
      {one({{"whem", 1}}), "/variants/0/whem", "did you mean \"when\"?"},
      {one({{"name", "a b"}}), "/variants/0/name", "letters, digits"},
      {one({{"when", "amd"}}), "/variants/0/when", "must be an object"},
      {when({{"gpu_vendor", "nvida"}}), "/variants/0/when/gpu_vendor", "did you mean \"nvidia\"?"},
      {when({{"gpu_vendor", ""}}), "/variants/0/when/gpu_vendor", "must not be empty"},
      {when({{"gpu_vendor", {"amd"}}}), "/variants/0/when/gpu_vendor", "must be a string"},
      {when({{"gpu_model", "a 100"}}), "/variants/0/when/gpu_model", "letters, digits"},
      {when({{"gpu_vendor", "amd"}, {"gpu_model", "a100"}}), "/variants/0/when/gpu_model", "a100 is a GPU of nvidia"},
      {when({{"architecture", "arm64"}}), "/variants/0/when/architecture", "did you mean \"aarch64\"?"},
      {when({{"architecture", "x86-64"}}), "/variants/0/when/architecture", "did you mean \"x86_64\"?"},
      {when({{"country", "UK"}}), "/variants/0/when/country", "did you mean \"GB\"?"},
      {when({{"site", "a/b"}}), "/variants/0/when/site", "is no site id"},
      {when({{"vendor", "amd"}}), "/variants/0/when/vendor", "no such field"},
      {one({{"resources", {{"nodes", 2}, {"tasks", 1}}}}), "/variants/0/resources/tasks", "at least the number of nodes, 2"},
      {one({{"resources", {{"gpu_model", "a100"}}}}), "/variants/0/resources/gpu_model", "needs gpus_per_node"},
      {one({{"resources", {{"gpus", 2}}}}), "/variants/0/resources/gpus", "no such field"},
      {one({{"when", {{"gpu_model", "h100"}}}, {"resources", {{"gpus_per_node", 1}, {"gpu_model", "a100"}}}}),
       "/variants/0/resources/gpu_model", "asks for h100"},
      {one({{"when", {{"gpu_vendor", "amd"}}}, {"resources", {{"gpus_per_node", 1}, {"gpu_model", "a100"}}}}),
       "/variants/0/resources/gpu_model", "a GPU of nvidia"},
      {one({{"when", {{"gpu_vendor", "none"}}}, {"resources", {{"gpus_per_node", 1}}}}), "/variants/0/resources/gpus_per_node",
       "say 0"},
      {one({{"container", {{"image", "x"}}}}), "/variants/0/container/image", "no image that Hansa starts"},
      {one({{"modules", {"a/b"}}}), "/variants/0/modules/0", "a name of the site's profile"},
      {one({{"environment", {{"HANSA_X", "1"}}}}), "/variants/0/environment/HANSA_X", "set by Hansa"},
      {one({{"environment", {{"A", std::string(17'000, 'x')}}}}), "/variants", "longer than 16384 bytes"},
      {variants({{{"when", {{"gpu_vendor", "amd"}}}, {"name", "1"}}, {{"when", Json::object()}}}), "/variants/1/name",
       "name of an earlier one"},
      {variants({{{"when", {{"gpu_vendor", "amd"}}}}, {{"when", {{"gpu_vendor", "amd"}}}}}), "/variants/1/when", "never reached"},
      {variants({{{"when", Json::object()}}, {{"when", {{"gpu_vendor", "amd"}}}}}), "/variants/1/when", "never reached"},
  };
  for (const auto& [json, where, message] : kTable) {
    INFO(json.dump());
    const auto refused = job_from_json(json);
    REQUIRE_FALSE(refused);
    const auto& faults = refused.error().faults;
    REQUIRE_FALSE(faults.empty());
    INFO(faults.front().where << " " << faults.front().message);
    CHECK(faults.front().where == where);
    CHECK(faults.front().message.contains(message));
  }
  const std::string_view sites[] = {"lumi", "leonardo"};
  const auto unknown = job_from_json(when({{"site", "lumy"}}), {.sites = sites, .labels = {}});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().faults.front().message.contains("did you mean \"lumi\"?"));
  // The job's own model is not that of another vendor's variant: said, not guessed.
  const auto inherited = job_from_json(
      job({{"resources", {{"gpus_per_node", 4}, {"gpu_model", "a100"}}}, {"variants", {{{"when", {{"gpu_vendor", "amd"}}}}}}}));
  REQUIRE_FALSE(inherited);
  CHECK(inherited.error().faults.front().message.contains("the job's own, is a GPU of nvidia"));
}

TEST_CASE("a variant is complete: what it does not say is as the job says it") {
  const auto spec = read(job({{"resources", {{"nodes", 2}, {"cpus_per_task", 8}, {"gpus_per_node", 4}}},
                              {"container", {{"image", kImage}, {"binds", {"/scratch:/s:ro"}}}},
                              {"modules", {"cuda"}},
                              {"variants",
                               {{{"when", {{"gpu_vendor", "nvidia"}}}},
                                {{"name", "amd"},
                                 {"when", {{"gpu_model", "mi250x"}}},
                                 {"resources", {{"nodes", 1}, {"gpus_per_node", 8}}},
                                 {"container", {{"image", ""}}},
                                 {"modules", {"rocm", "aws-ofi"}},
                                 {"environment", {{"K", "v"}}}},
                                {{"name", "cpu"}, {"when", Json::object()}, {"resources", {{"gpus_per_node", 0}}}}}}}))
                        .spec;
  REQUIRE(spec.variants.size() == 3);
  const auto& [nvidia, amd, cpu] = std::tie(spec.variants[0], spec.variants[1], spec.variants[2]);
  CHECK(nvidia.name == "0");
  CHECK(nvidia.resources == spec.resources);
  CHECK(nvidia.software == spec.software);
  CHECK(amd.resources ==
        domain::Resources{.nodes = 1, .tasks = 1, .cpus_per_task = 8, .gpus_per_node = 8, .gpu_model = "mi250x"});
  CHECK(amd.software == domain::Software{.image = {}, .binds = {}, .modules = {"rocm", "aws-ofi"}});
  CHECK(amd.environment == std::map<std::string, std::string>{{"K", "v"}});
  CHECK(cpu.when == domain::Condition{});
  CHECK(cpu.resources.gpus_per_node == 0);
}

TEST_CASE("an image of a dataset makes that one which the job reads") {
  const auto spec =
      read(job({{"datasets", {"weather", "torch"}},
                {"container", {{"image", "data:torch/x.sif"}}},
                {"variants",
                 {{{"when", {{"gpu_vendor", "amd"}}}, {"container", {{"image", "data:rocm"}}}, {"network", "outbound"}},
                  {{"when", Json::object()}}}}}))
          .spec;
  CHECK(spec.datasets == std::vector{DatasetId("weather"), DatasetId("torch"), DatasetId("rocm")});
  CHECK(spec.variants[0].software.outbound);
  CHECK_FALSE(spec.variants[1].software.outbound);
  CHECK_FALSE(spec.software.outbound);
  const auto again = read(job({{"network", "outbound"}, {"variants", {{{"when", Json::object()}, {"network", "any"}}}}}));
  CHECK(again.spec.software.outbound);
  CHECK_FALSE(again.spec.variants[0].software.outbound);
  CHECK(read(wire::to_json(again)) == again);
  const auto code = read(job({{"code", "sha256:" + std::string(64, 'a')}, {"container", {{"image", "code:images/x.sif"}}}}));
  CHECK(code.spec.software.image == "code:images/x.sif");
  CHECK(code.spec.datasets.empty());
  Json hundred = Json::array();
  for (int i = 0; i < 100; ++i) hundred.push_back("d" + std::to_string(i));
  const auto more = job_from_json(job({{"datasets", hundred}, {"container", {{"image", "data:torch"}}}}));
  REQUIRE_FALSE(more);
  CHECK(more.error().faults.front().where == "/container/image");
}

TEST_CASE("a job with variants and a container is written and read back") {
  const auto given = read(
      job({{"resources", {{"nodes", 2}, {"tasks", 5}, {"gpus_per_node", 4}, {"gpu_model", "a100"}}},
           {"container", {{"image", kImage}, {"binds", {"data", "/scratch:/s"}}, {"inside", "processes"}}},
           {"modules", {"cuda"}},
           {"variants",
            {{{"when", {{"gpu_vendor", "nvidia"}, {"architecture", "x86_64"}}}},
             {{"when", {{"country", "FI"}, {"site", "lumi"}}},
              {"resources", {{"gpus_per_node", 0}}},
              {"container", {{"image", ""}}},
              {"modules", Json::array()}},
             {{"when", {{"country", "SE"}}}, {"container", {{"image", kImage}, {"binds", Json::array()}, {"inside", "script"}}}},
             {{"when", Json::object()}, {"resources", {{"gpu_model", ""}}}, {"environment", {{"A", "\n"}}}}}}}));
  CHECK(read(wire::to_json(given)) == given);
}
