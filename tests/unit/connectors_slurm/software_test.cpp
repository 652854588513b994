// SPDX-License-Identifier: Apache-2.0
// Modules and containers of a job, by the wrapper. Debian has no Apptainer: a stand-in notes what it is asked and runs the
// command, as Apptainer's `exec` would in the image; `module` is a stand-in too.
#include "broker/core/digest.hpp"
#include "tests/unit/connectors_slurm/wrapper_home.hpp"

namespace hansa::connectors::transport {

using test::Home;
using test::read_file;
using test::spec_of;

namespace {

constexpr std::string_view kApptainer = R"bash(#!/bin/bash
printf '%s\n' "$@" >>"${0%/*}/asked"
while [[ $1 != *@sha256:* && $1 != *.sif ]]; do shift; done
IN_IMAGE=$1 exec "${@:2}"
)bash";

constexpr std::string_view kModules = R"bash(
module() {
  [[ $1 == load ]] || return 2
  local name
  for name in "${@:2}"; do
    [[ $name != */broken ]] || { echo "no such module: $name" >&2; return 1; }
    export LOADED="${LOADED:+$LOADED }$name" PATH="/modules/$name:$PATH"
  done
}
)bash";

const std::string kDigest(64, 'c');

/// A home of whose site the profile has both.
struct Site {
  Site() {
    home.add_program("apptainer", kApptainer);
    std::ofstream(home.path() / "modules.sh") << kModules;
    profile.container_runtime = (home.path() / "bin/apptainer").string();
    profile.module_init = (home.path() / "modules.sh").string();
    profile.modules = {{"torch", {"GCC/13.2", "PyTorch/2.3-CUDA~12"}}, {"mpi", {"OpenMPI/4.1"}}, {"bad", {"x/broken"}}};
  }
  [[nodiscard]] WrapperSpec spec(std::string script) const {
    auto spec = spec_of(std::move(script));
    spec.profile = profile;
    return spec;
  }
  [[nodiscard]] std::vector<std::string> asked() const {
    std::istringstream text(read_file(home.path() / "bin/asked"));
    std::vector<std::string> words;
    for (std::string line; std::getline(text, line);) words.push_back(line);
    return words;
  }

  Home home;
  SiteProfile profile;
};

}  // namespace

TEST_CASE("wrapper: the site's modules are loaded in the job's order before its script starts") {
  Site site;
  auto spec = site.spec("#!/bin/sh\necho \"$LOADED\"\necho \"$PATH\" | cut -d: -f2\n");
  spec.software.modules = {"mpi", "torch"};
  site.home.write(spec);
  CHECK(site.home.run() == 0);
  CHECK(site.home.out() == "OpenMPI/4.1 GCC/13.2 PyTorch/2.3-CUDA~12\n/modules/PyTorch/2.3-CUDA~12\n");
}

TEST_CASE("wrapper: a module that does not load runs nothing and says which") {
  Site site;
  auto spec = site.spec("#!/bin/sh\necho ran\n");
  spec.software.modules = {"bad"};
  SECTION("it is not there") { site.home.write(spec); }
  SECTION("there is no `module`") {
    spec.profile.module_init = "/nonexistent/modules.sh";
    spec.software.modules = {"mpi"};
    site.home.write(spec);
  }
  CHECK(site.home.run("7") == kExitDeliveryFailed);
  CHECK(site.home.out().empty());
  CHECK(site.home.err().contains("cannot load the site's modules"));
  CHECK(site.home.link(refusal_path(Tag("hansa-T-1"), 0, SiteJobId("7"), 0)) == "DELIVERY_FAILED");
}

TEST_CASE("wrapper: the script becomes the container's with all of its words") {
  Site site;
  auto spec = site.spec("#!/bin/sh\necho \"in $IN_IMAGE: $1 $ODD\"\nexit 5\n");
  spec.arguments = {"a b $(id)"};
  spec.environment = {{"ODD", "`id` '"}};
  spec.profile.gpu_vendor = GENERATE("", "nvidia", "amd", "intel");
  spec.shape.gpus_per_node = 2;
  spec.profile.scratch = site.home.path().string();
  spec.software = {.image = "oras://r.example.org/x@sha256:" + kDigest,
                   .binds = {"/data:/d:ro", "own"},
                   .processes_only = false,
                   .modules = {}};
  site.home.write(spec);
  CHECK(site.home.run() == 5);
  CHECK(site.home.out() == "in oras://r.example.org/x@sha256:" + kDigest + ": a b $(id) `id` '\n");
  const auto job = site.home.below("jobs/hansa-T-1").string();
  std::vector<std::string> expected{"exec", "--bind", job, "--pwd", job, "--bind", site.home.path().string()};
  if (spec.profile.gpu_vendor == "nvidia") expected.emplace_back("--nv");
  if (spec.profile.gpu_vendor == "amd") expected.emplace_back("--rocm");
  for (const auto& word : {std::string("--bind"), std::string("/data:/d:ro"), std::string("--bind"), job + "/own",
                           spec.software.image, job + "/script", std::string("a b $(id)")})
    expected.push_back(word);
  CHECK(site.asked() == expected);
}

TEST_CASE("wrapper: a job without GPUs is shown none whoever made them") {
  Site site;
  auto spec = site.spec("#!/bin/sh\n:\n");
  spec.profile.gpu_vendor = "nvidia";
  spec.software.image = "docker://x@sha256:" + kDigest;
  site.home.write(spec);
  CHECK(site.home.run() == 0);
  CHECK(std::ranges::count(site.asked(), "--nv") == 0);
}

TEST_CASE("wrapper: an image at the site is looked at before anything runs in it") {
  Site site;
  const auto file = (site.home.path() / "x.sif").string();
  std::ofstream(file) << "image";
  auto spec = site.spec("#!/bin/sh\necho \"in $IN_IMAGE\"\n");
  spec.software.image = file + "@sha256:" + sha256_hex("image");
  site.home.write(spec);
  SECTION("it is that of the digest") {
    CHECK(site.home.run() == 0);
    CHECK(site.home.out() == "in " + file + "\n");
  }
  SECTION("it is another") {
    std::ofstream(file) << "other";
    CHECK(site.home.run() == kExitDeliveryFailed);
    CHECK(site.home.err().contains("is not there, or is another than that of its digest"));
    CHECK(site.home.out().empty());
  }
  SECTION("it is not there") {
    std::filesystem::remove(file);
    CHECK(site.home.run() == kExitDeliveryFailed);
    CHECK(site.home.out().empty());
  }
}

TEST_CASE("wrapper: an image of the job's code is the file beneath its folder") {
  Site site;
  auto spec = site.spec("#!/bin/sh\necho \"in $IN_IMAGE\"\n");
  const auto source = site.home.path() / "source/images";
  std::filesystem::create_directories(source);
  std::ofstream(source / "x.sif") << "image";
  std::filesystem::create_directories(site.home.below("code"));
  const auto archive = site.home.below("code/a.tar").string();
  REQUIRE(std::system(("tar -C " + (site.home.path() / "source").string() + " -cf " + archive + " images").c_str()) == 0);
  spec.code = sha256_hex(read_file(archive));
  std::filesystem::rename(archive, site.home.below("code/" + spec.code + ".tar"));
  const auto job = site.home.below("jobs/hansa-T-1").string();
  SECTION("it is there") {
    spec.software.image = "code:images/x.sif";
    site.home.write(spec);
    CHECK(site.home.run() == 0);
    CHECK(site.home.out() == "in " + job + "/images/x.sif\n");
  }
  SECTION("it is not there") {
    spec.software.image = "code:images/y.sif";
    site.home.write(spec);
    CHECK(site.home.run() == kExitDeliveryFailed);
    CHECK(site.home.err().contains("the image " + job + "/images/y.sif is not there"));
    CHECK(site.home.out().empty());
  }
  SECTION("it is named so that it would lead out") {
    for (const auto* bad :
         {"code:../x.sif", "code:a/../../x", "code:/etc/passwd", "code:a'b", "code:$(id)", "code:a b", "code:"}) {
      spec.software.image = bad;
      const auto made = make_wrapper(spec);
      REQUIRE_FALSE(made);
      CHECK(made.error().faults.front().where == "/container/image");
    }
  }
}

TEST_CASE("wrapper: an image of a dataset is the file that is told or the one image in its folder") {
  Site site;
  const auto folder = site.home.path() / "replicas/torch";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "a.sif") << "image";
  auto spec = site.spec("#!/bin/sh\necho \"in $IN_IMAGE\"\n");
  SECTION("a file") {
    spec.software.image = "data:" + (folder / "a.sif").string();
    site.home.write(spec);
    CHECK(site.home.run() == 0);
    CHECK(site.home.out() == "in " + (folder / "a.sif").string() + "\n");
  }
  SECTION("its folder") {
    spec.software.image = "data:" + folder.string();
    site.home.write(spec);
    CHECK(site.home.run() == 0);
    CHECK(site.home.out() == "in " + (folder / "a.sif").string() + "\n");
  }
  SECTION("beneath a folder of any name") {
    const auto odd = site.home.path() / "my 'data' $(id)*\\ \xC3\xA5";
    std::filesystem::create_directories(odd);
    std::ofstream(odd / "b.sif") << "image";
    const bool by_folder = GENERATE(true, false);
    spec.software.image = "data:" + (by_folder ? odd : odd / "b.sif").string();
    site.home.write(spec);
    CHECK(site.home.run() == 0);
    CHECK(site.home.out() == "in " + (odd / "b.sif").string() + "\n");
  }
  SECTION("a folder with none or several") {
    const auto other = site.home.path() / "replicas/other";
    std::filesystem::create_directories(other);
    if (GENERATE(false, true)) {
      std::ofstream(other / "a.sif") << "image";
      std::ofstream(other / "b.sif") << "image";
    }
    spec.software.image = "data:" + other.string();
    site.home.write(spec);
    CHECK(site.home.run("7") == kExitDeliveryFailed);
    CHECK(site.home.err().contains("the folder " + other.string() + " holds no image (*.sif), or several"));
    CHECK(site.home.link(refusal_path(Tag("hansa-T-1"), 0, SiteJobId("7"), 0)) == "DELIVERY_FAILED");
    CHECK(site.home.out().empty());
  }
  SECTION("nothing there") {
    spec.software.image = "data:" + (folder / "b.sif").string();
    site.home.write(spec);
    CHECK(site.home.run("7") == kExitDeliveryFailed);
    CHECK(site.home.err().contains((folder / "b.sif").string() + " is not there"));
  }
}

TEST_CASE("wrapper: without a runtime of the profile's the node's own is looked for") {
  if (::access("/usr/bin/apptainer", X_OK) == 0 || ::access("/usr/bin/singularity", X_OK) == 0) return;
  Site site;
  auto spec = site.spec("#!/bin/sh\necho ran\n");
  spec.profile.container_runtime.clear();
  spec.software.image = "docker://x@sha256:" + kDigest;
  site.home.write(spec);
  CHECK(site.home.run("7") == kExitDeliveryFailed);
  CHECK(site.home.err().contains("neither apptainer nor singularity in /usr/bin"));
  CHECK(site.home.out().empty());
}

TEST_CASE("wrapper: hansa-launch starts its processes in the container of a script beside it") {
  Site site;
  auto spec = site.spec(
      "#!/bin/bash\necho \"script in ${IN_IMAGE-none}\"\nhansa-launch sh -c 'echo \"$RANK in ${IN_IMAGE-none}\"' | sort\n");
  spec.shape = {.nodes = 1, .tasks = 2, .cpus_per_task = 1, .gpus_per_node = 0};
  spec.master_port = 20'000;
  spec.software = {.image = "docker://x@sha256:" + kDigest, .binds = {}, .processes_only = true, .modules = {}};
  site.home.write(spec);
  CHECK(site.home.run() == 0);
  INFO(site.home.err());
  CHECK(site.home.out() == "script in none\n0 in docker://x@sha256:" + kDigest + "\n1 in docker://x@sha256:" + kDigest + "\n");
}

TEST_CASE("wrapper: software that the site's profile does not have or that is no plain word is not delivered") {
  Site site;
  const auto fault = [&](WantedSoftware software, SiteProfile profile) {
    auto spec = spec_of("#!/bin/sh\n");
    spec.software = std::move(software);
    spec.profile = std::move(profile);
    const auto made = make_wrapper(spec);
    return made ? std::string() : made.error().faults.front().where;
  };
  const auto image = "docker://x@sha256:" + kDigest;
  CHECK(fault({.image = image, .binds = {"/a:/b:ro"}, .processes_only = false, .modules = {"mpi"}}, site.profile).empty());
  CHECK(fault({.image = {}, .binds = {}, .processes_only = false, .modules = {"other"}}, site.profile) == "/modules");
  CHECK(fault({.image = image, .binds = {}, .processes_only = false, .modules = {}}, {}).empty());  // what /usr/bin has
  for (const auto* bad : {"code:x.sif", "code:a b", "data:x.sif", "data:/a/../b", "data:", "data:/a\nb", "data:/a\x7F"})
    CHECK(fault({.image = bad, .binds = {}, .processes_only = false, .modules = {}}, site.profile) == "/container/image");
  for (const auto* bad : {"docker://x", "docker://x'@sha256:", "--nv", "x\n"})
    CHECK(fault({.image = bad + kDigest, .binds = {}, .processes_only = false, .modules = {}}, site.profile) ==
          "/container/image");
  for (const auto* bad : {"a'b", "-x", "a b", "$(id)", "", "a\nb", "`id`", "\\"})
    CHECK(fault({.image = image, .binds = {bad}, .processes_only = false, .modules = {}}, site.profile) == "/container/binds");
  auto profile = site.profile;
  profile.modules["odd"] = {"a'; touch /tmp/x"};
  CHECK(fault({}, profile) == "modules");
  profile = site.profile;
  profile.module_init = "/x y";
  CHECK(fault({}, profile) == "module_init");
}

TEST_CASE("a site's first quality of service that takes a job is its") {
  SiteProfile profile;
  profile.qualities = {{.name = "gpushort", .queue = "gpu", .max_time = std::chrono::seconds{3600}, .max_nodes = 2},
                       {.name = "short", .queue = "", .max_time = std::chrono::seconds{600}, .max_nodes = {}},
                       {.name = "gpu", .queue = "gpu", .max_time = {}, .max_nodes = {}}};
  const auto quality = [&](const char* queue, int nodes, int seconds) {
    return quality_for(profile, queue, nodes, std::chrono::seconds{seconds});
  };
  CHECK(quality("gpu", 2, 3600) == "gpushort");
  CHECK(quality("gpu", 3, 3600) == "gpu");
  CHECK(quality("gpu", 3, 600) == "short");
  CHECK(quality("cpu", 3, 600) == "short");
  CHECK(quality("cpu", 1, 601).empty());
  CHECK(quality_for({}, "cpu", 1, std::chrono::seconds{1}).empty());
}

}  // namespace hansa::connectors::transport
