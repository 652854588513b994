// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/variant.hpp"

#include "broker/domain/event.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace hansa;
using namespace hansa::domain;

namespace {
const std::string kDigest(64, 'a');
}  // namespace

TEST_CASE("an image is one that a digest pins and whose fault comes with its remedy", "[T13]") {
  for (const auto& good :
       {"oras://registry.example.org:5000/ai/pytorch@sha256:" + kDigest, "docker://pytorch/pytorch@sha256:" + kDigest,
        "oras://r.example.org/a/b:2.3@sha256:" + kDigest, "/appl/images/a-b_c+d.sif@sha256:" + kDigest, std::string("code:x.sif"),
        std::string("code:images/a..b/x_1.sif"), std::string("data:imagenet-1k"), std::string("data:ehds:fi:d@2/a/b.sif")}) {
    INFO(good);
    CHECK(image_fault(good).empty());
  }
  struct Row {
    std::string image;
    std::string fault;
  };
  const Row kBad[] = {
      {"", "no image that Hansa starts"},
      {"pytorch.sif@sha256:" + kDigest, "no image that Hansa starts"},
      {"shub://a/b@sha256:" + kDigest, "no image that Hansa starts"},
      {"library://a/b@sha256:" + kDigest, "no image that Hansa starts"},
      {"--fakeroot@sha256:" + kDigest, "no image that Hansa starts"},
      {"docker://pytorch/pytorch:2.3", "not pinned by its digest"},
      {"/appl/images/a.sif", "what sha256sum says of the file"},
      {"oras://h/n@sha256:" + std::string(63, 'a'), "64 lower-case hexadecimal digits"},
      {"oras://h/n@sha256:" + std::string(64, 'A'), "64 lower-case hexadecimal digits"},
      {"oras://h/n@sha256:" + kDigest + " ", "64 lower-case hexadecimal digits"},
      {"oras://@sha256:" + kDigest, "holds other than"},
      {"oras://-n@sha256:" + kDigest, "holds other than"},
      {"oras://h/$(id)@sha256:" + kDigest, "holds other than"},
      {"oras://h/a b@sha256:" + kDigest, "holds other than"},
      {"oras://h/'x@sha256:" + kDigest, "holds other than"},
      {"/appl/../etc/x.sif@sha256:" + kDigest, "holds other than"},
      {"/a:b.sif@sha256:" + kDigest, "holds other than"},
      {"/appl/a\nb.sif@sha256:" + kDigest, "holds other than"},
      {"code:", "names no file of the job's code"},
      {"code:/etc/x.sif", "names no file of the job's code"},
      {"code:../x.sif", "names no file of the job's code"},
      {"code:a/../../x.sif", "names no file of the job's code"},
      {"code:-x", "names no file of the job's code"},
      {"code:$(id).sif", "names no file of the job's code"},
      {"code:a b", "names no file of the job's code"},
      {"data:", "names no file of a dataset"},
      {"data:/etc/passwd", "names no file of a dataset"},
      {"data:d/", "names no file of a dataset"},
      {"data:d//etc/passwd", "names no file of a dataset"},
      {"data:d/../x.sif", "names no file of a dataset"},
      {"data:d/..", "names no file of a dataset"},
      {"data:d/a'b", "names no file of a dataset"},
      {"data:-d", "names no file of a dataset"},
      {"data:d e/x", "names no file of a dataset"},
      {"/" + std::string(600, 'x') + "@sha256:" + kDigest, "longer than 512 bytes"},
  };
  for (const auto& [image, fault] : kBad) {
    INFO(image << ": " << image_fault(image));
    CHECK(image_fault(image).contains(fault));
  }
}

TEST_CASE("an image of a dataset is told to a site by where that lies") {
  CHECK(image_dataset("data:imagenet/x.sif") == DatasetId("imagenet"));
  CHECK(image_dataset("data:imagenet") == DatasetId("imagenet"));
  CHECK(image_dataset("data:/scratch/x").empty());
  CHECK(image_dataset("code:imagenet/x.sif").empty());
  CHECK(image_at("data:imagenet/a/x.sif", "/scratch/p/i") == "data:/scratch/p/i/a/x.sif");
  CHECK(image_at("data:imagenet", "/scratch/p/i") == "data:/scratch/p/i");
  CHECK(image_path("data:/scratch/p/i") == "/scratch/p/i");
  CHECK(image_path("data:imagenet/x").empty());
  const auto good = [](std::string image) {
    return is_well_formed({.image = std::move(image), .binds = {}, .processes_only = false, .modules = {}});
  };
  CHECK(good("data:/scratch/p/i/x.sif"));
  CHECK(good("code:x.sif"));
  CHECK(good("data:i/x.sif"));
  // A site's folders are called as it likes, and a dataset's path beneath them too (is_replica_path).
  for (const auto* odd : {"data:/scratch/my data/x.sif", "data:/$(id)", "data:/a'b", "data:/\xC3\xA5/(1)"}) CHECK(good(odd));
  for (const auto* bad : {"data:/", "data:/a/../b", "code:/x", "code:a b", "data:/a\n", "data:/a\x7F", "data:i/a b"}) {
    INFO(bad);
    CHECK_FALSE(good(bad));
  }
}

TEST_CASE("a bind is paths and nothing that anybody could read as more", "[T12]") {
  for (const auto* good :
       {"/data", "/data:/data", "/data:/mnt/d:ro", "/data:/d:rw", "results", "./results:/out", "a/b:/c:ro", "/a..b:/c"}) {
    INFO(good);
    CHECK(bind_fault(good).empty());
  }
  for (const auto* bad : {"",
                          ":",
                          "/",
                          "/data:",
                          "/data:relative",
                          "/data:/d:",
                          "/data:/d:rx",
                          "/data:/d:ro,/etc:/etc",
                          "/data:/d:ro:x",
                          "../x",
                          "/a/../b",
                          "/a/..",
                          "-x",
                          "/a b",
                          "/a,/b",
                          "/a'",
                          "$(id)",
                          "/a\n",
                          "/data:/../x",
                          "/data:/"}) {
    INFO(bad);
    CHECK_FALSE(bind_fault(bad).empty());
  }
  CHECK(bind_source("/data:/d:ro") == "/data");
  CHECK(bind_source("results") == "results");
}

TEST_CASE("a site runs what its profile has and says what it lacks") {
  const SoftwareProfile site{.containers = true,
                             .images = {"oras://ok.example/", "/appl/"},
                             .binds = {"/scratch", "/data/"},
                             .modules = {"gcc", "pytorch"}};
  const auto code = [&](const Software& software) { return software_obstacle(software, site).code; };
  const auto image = "/appl/x.sif@sha256:" + kDigest;
  CHECK(code({}).empty());
  CHECK(code({.image = image, .binds = {"/scratch", "/scratch/a:/b", "/data/x", "own"}, .modules = {"pytorch", "gcc"}}).empty());
  CHECK(code({.image = "/home/x.sif@sha256:" + kDigest, .binds = {}, .modules = {}}) == "IMAGE_NOT_ALLOWED");
  CHECK(code({.image = "code:x.sif", .binds = {}, .modules = {}}) == "IMAGE_NOT_ALLOWED");
  for (const auto* outside : {"/scratchy", "/", "/etc", "/dat"}) {
    INFO(outside);
    CHECK(code({.image = image, .binds = {outside}, .modules = {}}) == "BIND_NOT_ALLOWED");
  }
  const auto none = software_obstacle({.image = {}, .binds = {}, .modules = {"pytorhc"}}, site);
  CHECK(none.code == "NO_SUCH_MODULE");
  CHECK(none.message == "this site has no module \"pytorhc\" (did you mean \"pytorch\"?); it has gcc, pytorch");
  CHECK(software_obstacle({.image = {}, .binds = {}, .modules = {"x"}}, {}).message ==
        "this site has no module \"x\"; it names none");
}

TEST_CASE("models tell their vendor and words for processors their architecture") {
  for (const auto* model : {"a100", "A100-SXM4-40GB", "h100", "gh200", "v100", "l40s", "rtx6000", "nvidia_h200", "t4"})
    CHECK(gpu_vendor_of(model) == "nvidia");
  for (const auto* model : {"mi250x", "MI300A", "mi100", "amd_mi300"}) CHECK(gpu_vendor_of(model) == "amd");
  for (const auto* model : {"max1550", "pvc1100", "intel_x"}) CHECK(gpu_vendor_of(model) == "intel");
  for (const auto* model : {"", "gpu", "a", "mixed", "x100", "large"}) CHECK(gpu_vendor_of(model).empty());
  CHECK(architecture_meant_by("x86_64") == "x86_64");
  CHECK(architecture_meant_by("AMD64") == "x86_64");
  CHECK(architecture_meant_by("arm64") == "aarch64");
  CHECK(architecture_meant_by("linux").empty());
}

TEST_CASE("what goes to a site is its variant in the site's own units") {
  JobSpec spec;
  spec.resources.gpus_per_node = 4;
  spec.software.modules = {"cuda"};
  spec.variants = {{.name = "amd",
                    .when = {.gpu_vendor = "amd"},
                    .resources = {.nodes = 2, .tasks = 2, .gpus_per_node = 7, .gpu_model = {}},
                    .software = {.image = {}, .binds = {}, .modules = {"rocm"}},
                    .environment = {{"A", "amd"}, {"B", "2"}}}};
  const auto there = spec_for(spec, "amd", {.gpu_vendor = "amd", .architecture = {}, .devices_per_gpu = 2});
  CHECK(there.variants.empty());
  CHECK(there.resources.nodes == 2);
  CHECK(there.resources.gpus_per_node == 4);  // modules, for seven dies
  CHECK(there.software.modules == std::vector<std::string>{"rocm"});
  CHECK(spec_for(spec, "", {}).resources.gpus_per_node == 4);
  CHECK(resources_of(spec, "amd").gpus_per_node == 7);
  CHECK(&resources_of(spec, "other") == &spec.resources);
  std::vector<std::pair<std::string, std::string>> environment{{"A", "job"}, {"C", "3"}};
  put_environment(environment, spec.variants.front());
  CHECK(environment == std::vector<std::pair<std::string, std::string>>{{"A", "amd"}, {"C", "3"}, {"B", "2"}});
}

TEST_CASE("a stored job with a damaged variant is no job") {
  JobSpec spec;
  spec.variants = {{.name = "x", .when = {}, .resources = {}, .software = {}, .environment = {{"A", "1"}}}};
  const auto whole = to_json(spec);
  REQUIRE(spec_from_json(whole) == spec);
  for (const auto* field : {"name", "nodes", "tasks", "cpus_per_task"}) {
    auto json = whole;
    json["variants"][0].erase(field);
    INFO(field);
    CHECK_FALSE(spec_from_json(json));
  }
  for (const auto& [field, value] : {std::pair<const char*, Json>{"when", 1},
                                     {"when", {{"site", 1}}},
                                     {"environment", {{"A", 1}}},
                                     {"environment", "x"},
                                     {"binds", 1}}) {
    auto json = whole;
    json["variants"][0][field] = value;
    INFO(field << " " << value.dump());
    CHECK_FALSE(spec_from_json(json));
  }
}
