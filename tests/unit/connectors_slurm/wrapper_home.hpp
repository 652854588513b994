// SPDX-License-Identifier: Apache-2.0
#pragma once
// A wrapper that is executed by a real bash, under a pretended Slurm.

#include "connectors/transport/wrapper.hpp"

#include <catch2/catch.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace hansa::connectors::transport::test {

namespace fs = std::filesystem;

inline std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A home with a work_dir in it.
class Home {
 public:
  Home() {
    std::string name = (fs::temp_directory_path() / "hansa-wrapper-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    for (const auto& folder : work_folders()) fs::create_directories(path_ / ".hansa" / folder);
  }
  ~Home() {
    fs::permissions(path_ / ".hansa" / "fence", fs::perms::owner_all);
    fs::remove_all(path_);
  }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }
  [[nodiscard]] fs::path below(const std::string& name) const { return path_ / ".hansa" / name; }

  void write(const WrapperSpec& spec) {
    auto text = make_wrapper(spec);
    REQUIRE(text.has_value());
    write(*text);
  }
  void write(const std::string& wrapper) { std::ofstream(path_ / "wrapper", std::ios::binary) << wrapper; }

  /// Like slurmd: standard input from /dev/null, output appended to files.
  pid_t start(const std::string& job, const std::string& run, const std::vector<std::string>& more = {}) const {
    const auto out = (path_ / "out").string();
    const auto err = (path_ / "err").string();
    const auto wrapper = (path_ / "wrapper").string();
    std::vector<std::string> variables{"HOME=" + path_.string(), "SLURM_JOB_ID=" + job,   "SLURM_RESTART_COUNT=" + run,
                                       "PATH=/nonexistent",      "SLURM_EXPORT_ENV=NONE", "LANG=C"};
    if (!more_.empty()) std::erase(variables, "PATH=/nonexistent");
    variables.insert(variables.end(), more_.begin(), more_.end());
    variables.insert(variables.end(), more.begin(), more.end());
    std::vector<char*> environment;
    for (const auto& variable : variables) environment.push_back(const_cast<char*>(variable.c_str()));
    environment.push_back(nullptr);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      if (std::freopen("/dev/null", "r", stdin) == nullptr || std::freopen(out.c_str(), "a", stdout) == nullptr ||
          std::freopen(err.c_str(), "a", stderr) == nullptr) {
        ::_exit(99);
      }
      ::execle("/bin/bash", "bash", wrapper.c_str(), static_cast<char*>(nullptr), environment.data());
      ::_exit(98);
    }
    return child;
  }

  static int wait(pid_t child) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  /// A task of an array.
  [[nodiscard]] int run_task(const std::string& array, int task, const std::string& job, const std::string& restart = "0") const {
    return wait(start(job, restart, {"SLURM_ARRAY_JOB_ID=" + array, "SLURM_ARRAY_TASK_ID=" + std::to_string(task)}));
  }
  int run(const std::string& job = "7", const std::string& restart = "0") const { return wait(start(job, restart)); }

  /// Of what is set beside: "NAME=value", and programs on the PATH.
  void set(std::string variable) { more_.push_back(std::move(variable)); }
  void add_program(const std::string& name, std::string_view text) {
    fs::create_directories(path_ / "bin");
    std::ofstream(path_ / "bin" / name) << text;
    fs::permissions(path_ / "bin" / name, fs::perms::owner_all);
    if (more_.empty() || !more_.back().starts_with("PATH=")) set("PATH=" + (path_ / "bin").string() + ":/usr/bin:/bin");
  }

  [[nodiscard]] std::string out() const { return read_file(path_ / "out"); }
  [[nodiscard]] std::string err() const { return read_file(path_ / "err"); }
  [[nodiscard]] std::string link(const std::string& name) const { return fs::read_symlink(below(name)).string(); }

 private:
  fs::path path_;
  std::vector<std::string> more_;
};

inline WrapperSpec spec_of(std::string script) {
  WrapperSpec spec;
  spec.tag = Tag("hansa-T-1");
  spec.work_dir = ".hansa";
  spec.unset = {"SLURM_EXPORT_ENV"};
  spec.exported = {{"HANSA_JOB_ID", "T"}};
  spec.script = std::move(script);
  return spec;
}

}  // namespace hansa::connectors::transport::test
