// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/config_init.hpp"

#include "broker/cli/commands.hpp"
#include "broker/cli/durable_file.hpp"
#include "broker/core/countries.hpp"
#include "broker/core/json_text.hpp"
#include "config/broker_config.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace hansa::cli {
namespace {

constexpr const char* kBrokerFile = "/etc/hansa/hansad.toml";
constexpr const char* kBrokerAccount = "hansa";  // of the packages' units; jobs of a local site run as it
constexpr std::array kConnectors = {"slurm", "pbs", "local"};
constexpr std::array kSlurmCommands = {"sbatch", "scancel", "scontrol", "squeue", "sacct"};
constexpr std::array kPbsCommands = {"qsub", "qdel", "qhold", "qrls"};
constexpr std::array kFileCommands = {"mkdir", "ln", "readlink", "dd", "stat", "sha256sum", "mv", "prlimit"};

/// One question: what it asks, the flag that answers it, what counts without either.
struct Question {
  std::string_view flag;
  std::string asked;
  std::string otherwise;  // "": there is no telling
  std::string (*fault)(std::string_view answer);  // "": it will do
};

std::string name_fault(std::string_view answer) {
  const bool plain = !answer.empty() && answer.size() <= 64 && std::ranges::all_of(answer, [](char c) { return c >= ' ' && c != 127; });
  return plain ? "" : "a name of 1 to 64 characters is needed";
}
std::string country_fault(std::string_view answer) {
  if (is_country(answer)) return "";
  const auto meant = country_meant_by(answer);
  return "a country of ISO 3166-1 in two letters is needed" + (meant.empty() ? std::string(", as FI") : ": " + std::string(meant) + "?");
}
std::string connector_fault(std::string_view answer) {
  return std::ranges::find(kConnectors, answer) != kConnectors.end() ? "" : "one of slurm, pbs, local is needed";
}
/// As useradd(8) recommends; the rest of what is possible is for accounts_file.
std::string person_fault(std::string_view answer) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'; };
  const bool good = !answer.empty() && answer.size() <= 32 && std::ranges::all_of(answer, plain) && answer.front() != '-' && answer.front() != '.';
  if (answer == "root") return "no job runs as root: give the account of a person";
  return good ? "" : "the name of an account is needed, in lower case";
}

/// Where a program is, by PATH; "" if nowhere.
std::string folder_of(Session& session, const char* program) {
  const auto* told = session.outside().environment("PATH");
  std::string_view path = told == nullptr ? "/usr/bin:/bin" : told;
  while (!path.empty()) {
    const auto end = std::min(path.find(':'), path.size());
    const auto folder = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (folder.starts_with('/') && ::access((std::string(folder) + "/" + program).c_str(), X_OK) == 0) return std::string(folder);
  }
  return "";
}

std::string this_machine() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

std::string person_here(Session& session) {
  for (const auto* variable : {"SUDO_USER", "USER"}) {
    const auto* told = session.outside().environment(variable);
    if (told != nullptr && person_fault(told).empty()) return told;
  }
  return "";
}

/// The flag's, or what a person at a terminal says, or what counts otherwise.
Result<std::string> answer_to(Session& session, const Invocation& call, const Question& question) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorKind::invalid_argument, "USAGE", std::string(question.flag) + ": " + why);
  };
  if (const auto flag = call.value(question.flag)) {
    const auto fault = question.fault(*flag);
    return fault.empty() ? Result<std::string>(std::string(*flag)) : refuse(fault);
  }
  const auto prompt = question.asked + (question.otherwise.empty() ? "" : " [" + question.otherwise + "]") + ": ";
  for (;;) {
    auto line = session.outside().ask ? session.outside().ask(printable(prompt)) : std::nullopt;
    const bool asked = line.has_value();
    if (!line || line->empty()) line = question.otherwise;
    const auto fault = question.fault(*line);
    if (fault.empty()) return *line;
    if (!asked) return refuse("is needed, where nobody can be asked: " + fault);
    session.note(fault);
  }
}

Result<FirstAnswers> ask_all(Session& session, const Invocation& call) {
  const auto slurm = folder_of(session, "sbatch"), pbs = folder_of(session, "qsub");
  FirstAnswers answers;
  const std::array questions = {
      std::pair(&FirstAnswers::name, Question{"--name", "What is this broker called?", this_machine(), name_fault}),
      std::pair(&FirstAnswers::country, Question{"--country", "In which country does it stand (two letters)?", "", country_fault}),
      std::pair(&FirstAnswers::connector,
                Question{"--connector", "What runs the jobs here: slurm, pbs, or local (this machine alone)?",
                         !slurm.empty() ? "slurm" : !pbs.empty() ? "pbs" : "local", connector_fault}),
      std::pair(&FirstAnswers::person,
                Question{"--person", "Who is the first who may use it (an account here)?", person_here(session), person_fault})};
  for (const auto& [place, question] : questions) {
    auto answer = answer_to(session, call, question);
    if (!answer) return std::unexpected(std::move(answer.error()));
    answers.*place = std::move(*answer);
  }
  if (answers.connector == "slurm") answers.bin_dir = slurm.empty() ? "/usr/bin" : slurm;
  if (answers.connector == "pbs") answers.bin_dir = pbs.empty() ? "/opt/pbs/bin" : pbs;
  return answers;
}

std::string toml_text(std::string_view text) {  // a TOML basic string has what a JSON string has
  std::string out;
  append_json_string(out, text);
  return out;
}

template <typename Names>
void append_programs(std::string& list, const std::string& folder, const Names& names) {
  for (const auto* name : names) list += (list.empty() ? "" : ", ") + toml_text(folder + "/" + name);
}

/// Its folder is there, the file is not: what is there is never touched.
Result<void> write_new(const std::string& path, const std::string& text) {
  auto file = DurableFile::create(path, true, DurableFile::Existing::refuse);
  if (!file) return std::unexpected(std::move(file.error()));
  if (auto written = file->append(text); !written) return written;
  if (auto there = file->finish(); !there) return there;
  ::chmod(path.c_str(), 0644);  // whatever the umask: the broker's account reads it, and there is no secret in it
  return {};
}

std::string next_steps(const FirstAnswers& answers) {
  const bool others = answers.connector != "local";
  return std::string("\nNext, as root:\n") + (others ? "  systemctl enable --now hansa-switch.socket\n" : "") +
         "  systemctl restart hansad; journalctl -u hansad -n 20\n"
         "  export HANSA_URL=http://127.0.0.1:7717 HANSA_TOKEN_FILE=/var/lib/hansa/operator.token\n"
         "  hansa sites\n"
         "  hansa token create --user " +
         answers.person + " --expires 365d > " + answers.person + ".token    # for " + answers.person + " alone\n";
}

}  // namespace

std::string first_broker_file(const FirstAnswers& answers) {
  const bool local = answers.connector == "local";
  const auto country = toml_text(answers.country), person = toml_text("local:" + answers.person);
  std::string text =
      "# Made by hansa config init. What else there is: hansad.toml(5). After a change: hansa config check FILE, then\n"
      "# systemctl restart hansad.\n[broker]\nname = " +
      toml_text(answers.name) + "\ncountry = " + country + "\nstate_dir = \"/var/lib/hansa\"\n";
  if (!local) text += "switch_socket = \"/run/hansa/switch.sock\"\n";
  text +=
      "\n[api]\nlisten = \"127.0.0.1:7717\"    # for other machines: an address of this one, tls_certificate and tls_key\n"
      "\n[[site]]\nid = \"here\"\nname = " +
      toml_text(answers.name) + "\ncountry = " + country + "\nconnector = " + toml_text(answers.connector) + "\n";
  if (local) {
    text += "# Jobs run as the broker's own account. Who may run some:\naccounts = { " + person + " = " + toml_text(kBrokerAccount) + " }\n";
  } else {
    text += "run_as = \"switch\"               # each person's jobs as that person's account, by hansa-switch\n" + answers.connector +
            ".bin_dir = " + toml_text(answers.bin_dir) +
            "\nwork_dir = \"~/.hansa\"           # on the nodes, too\n"
            "budget = { queries_per_minute = 10, submits_per_minute = 600, waiting_jobs = 50 }\n"
            "# Who may run jobs, and as which account:\naccounts = { " +
            person + " = " + toml_text(answers.person) + " }\n";
  }
  return text + "\n[[project]]\nid = \"first\"\nmembers = [" + person + "]\n";
}

std::string first_switch_file(const FirstAnswers& answers) {
  if (answers.connector == "local") return "";
  const bool slurm = answers.connector == "slurm";
  std::string programs;
  if (slurm)
    append_programs(programs, answers.bin_dir, kSlurmCommands);
  else
    append_programs(programs, answers.bin_dir, kPbsCommands);
  append_programs(programs, "/usr/bin", kFileCommands);
  return "# Made by hansa config init: what hansa-switch may run as people's accounts, see hansa-switch(8).\ncallers = [" +
         toml_text(kBrokerAccount) + "]\nprograms = [" + programs + "]\nminimum_uid = 1000\nenvironment = [" +
         (slurm ? R"("SLURM_CONF", "SLURM_TIME_FORMAT", "TZ", "LC_ALL")" : R"("PBS_CONF_FILE", "TZ", "LC_ALL")") + "]\n";
}

Result<ExitStatus> config_init(Session& session, const Invocation& call) {
  const std::string file = call.operands().empty() ? kBrokerFile : call.operands()[0];
  if (std::error_code ignored; std::filesystem::exists(std::filesystem::symlink_status(file, ignored)))
    return fail(ErrorKind::conflict, "FILE_EXISTS", file + " is there already, and is not touched: give another name, or edit it");
  const auto answers = ask_all(session, call);
  if (!answers) return std::unexpected(answers.error());
  const auto text = first_broker_file(*answers);
  if (auto valid = config::parse_broker_config(text, file); !valid) return std::unexpected(std::move(valid.error()));
  const auto switch_text = first_switch_file(*answers);
  const auto switch_file = (std::filesystem::path(file).parent_path() / "switch.toml").string();
  std::error_code ignored;
  const bool allows = !switch_text.empty() && !std::filesystem::exists(switch_file, ignored);
  if (allows) {
    if (auto written = write_new(switch_file, switch_text); !written) return std::unexpected(std::move(written.error()));
  }
  if (auto written = write_new(file, text); !written) return std::unexpected(std::move(written.error()));
  if (call.has("--json")) {
    session.print(Json{{"file", file}, {"switch_file", allows ? Json(switch_file) : Json()}}.dump() + "\n");
    return ExitStatus::done;
  }
  session.print(printable(file) + ": written, and good\n" + (allows ? printable(switch_file) + ": written\n" : "") + next_steps(*answers));
  return ExitStatus::done;
}

}  // namespace hansa::cli
