// SPDX-License-Identifier: Apache-2.0
#include "connectors/transport/wrapper.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/encoding.hpp"
#include "connectors/transport/launch.hpp"

#include <algorithm>
#include <charconv>

namespace hansa::connectors::transport {

namespace {

// Everything the payload could not want to find changed (umask, options, variables) lives in this one frame. `command -p` finds
// the tools whatever PATH the account has. Each program costs a short job a millisecond: so there are few. Bash 4.4 (${x@P}).
//
// The order is the protocol: nothing of the payload is written, let alone run, before the fence is ours.
// A symlink(2) repeated over NFS may answer EEXIST although it was ours: so the holder is read back and compared, to the word
// that this start alone has made up. Id and run do not tell it from another: a slurmctld that was killed before it had saved that
// a job started, starts the job again under both (22.05.8).
constexpr std::string_view kProtocol = R"bash(
hansa_load_modules() {
  local file files=("$hansa_module_init")
  if [[ -z $hansa_module_init ]]; then
    declare -F module >/dev/null || files=(/etc/profile.d/{z00_lmod,lmod,modules}.sh)
  fi
  for file in "${files[@]}"; do
    [[ ! -r $file ]] || . "$file"
  done
  declare -F module >/dev/null && module load "${hansa_modules[@]}"
}
hansa_fail() { printf 'hansa: %s\n' "$2" >&2; exit "$1"; }
hansa_job=${!hansa_job_variable:-}
hansa_run=${!hansa_run_variable:-0}
hansa_task=0
hansa_site_job=$hansa_job
if [[ -n $hansa_array_variable ]]; then
  hansa_task=${!hansa_task_variable:-none}
  hansa_array=${!hansa_array_variable:-}
  hansa_job=${hansa_array}_$hansa_task
  [[ -n $hansa_array ]] || hansa_fail 115 "the scheduler gave no array id in $hansa_array_variable"
fi
[[ $hansa_job =~ ^[]0-9A-Za-z._[-]+$ ]] || hansa_fail 115 "the scheduler gave no job id in $hansa_job_variable"
[[ $hansa_run =~ ^[0-9]+$ && $hansa_task =~ ^[0-9]+$ ]] || hansa_fail 115 "run or task number is not a number"
if [[ $hansa_login == yes ]]; then  # what a login knows before it reads a profile
  hansa_user='\u'
  export HOME=${HOME:-~} USER=${USER:-${hansa_user@P}} SHELL=${SHELL:-/bin/bash}
  export LOGNAME=${LOGNAME:-$USER}
fi
if [[ $hansa_work_dir != /* ]]; then
  [[ ${HOME:-} == /* ]] || hansa_fail 115 "no home directory"
  hansa_work_dir=$HOME/$hansa_work_dir
fi
hansa_umask=$(umask)
umask 077
read -r hansa_start 2>/dev/null </proc/sys/kernel/random/uuid || hansa_start=$$-$RANDOM$RANDOM$RANDOM
hansa_holder=job:$hansa_job:$hansa_run:$hansa_start
hansa_fence=$hansa_work_dir/fence/$hansa_tag.$hansa_task
hansa_refuse() {
  command -p ln -snT "$2" "$hansa_work_dir/refused/$hansa_tag.$hansa_task.$hansa_job.$hansa_run"
  hansa_fail "$1" "$3"
}
if [[ $hansa_writes_output == yes ]]; then
  hansa_output=$hansa_work_dir/output/$hansa_tag${hansa_array_variable:+.$hansa_task}
  exec >>"$hansa_output.out" 2>>"$hansa_output.err" || hansa_refuse 115 FENCE_FAILED "cannot write to $hansa_output.out, nothing was run"
fi
if [[ -n $hansa_array_variable ]]; then  # before its own fence: the right of all tasks, which any task of this array has for all
  hansa_right=job:$hansa_array:0:tasks
  if ! hansa_error=$(LC_ALL=C command -p ln -snT "$hansa_right" "$hansa_work_dir/fence/$hansa_tag.array" 2>&1); then
    hansa_held=$(command -p readlink "$hansa_work_dir/fence/$hansa_tag.array") || hansa_refuse 115 FENCE_FAILED "cannot take the array's fence, nothing was run: $hansa_error"
    [[ $hansa_held == "$hansa_right" ]] || hansa_refuse 113 "DUPLICATE:$hansa_held" "a duplicate: the array's fence is held by $hansa_held, nothing was run"
  fi
fi
if ! hansa_error=$(LC_ALL=C command -p ln -snT "$hansa_holder" "$hansa_fence" 2>&1); then
  hansa_held=$(command -p readlink "$hansa_fence") || hansa_refuse 115 FENCE_FAILED "cannot take the fence, nothing was run: $hansa_error"
  case $hansa_held in
    "$hansa_holder") ;;
    "job:$hansa_job:"*)
      [[ $hansa_may_requeue == yes ]] ||
        hansa_refuse 114 "SITE_REQUEUED:$hansa_held" "the site started this job again, which it did not ask for: nothing was run" ;;
    *) hansa_refuse 113 "DUPLICATE:$hansa_held" "a duplicate: the fence is held by $hansa_held, nothing was run" ;;
  esac
fi
hansa_jobs=$hansa_work_dir/jobs/$hansa_tag${hansa_array_variable:+/$hansa_task}
hansa_own=()
((hansa_port == 0)) || hansa_own=(HANSA_MASTER_PORT=$((20000 + (hansa_port - 20000 + 10#$hansa_task) % 10000)))
[[ -z $hansa_array_variable ]] || hansa_own+=(HANSA_ARRAY_INDEX="$hansa_task")
hansa_name=script
hansa_undelivered() { hansa_refuse 116 "${2:-DELIVERY_FAILED}" "$1, nothing was run"; }
if [[ -n $hansa_code ]]; then
  hansa_name=.hansa-script
  if [[ ! -e $hansa_jobs/$hansa_name ]]; then  # it comes last: a start that finds it has what an earlier one has made of the code
    hansa_archive=$hansa_work_dir/code/$hansa_code.tar
    hansa_sum=$(command -p sha256sum <"$hansa_archive") && [[ ${hansa_sum%% *} == "$hansa_code" ]] ||
      hansa_undelivered "its code is not, or not whole, in $hansa_archive"
    command -p mkdir -p "$hansa_jobs" || hansa_undelivered "cannot make $hansa_jobs"
    (umask "$hansa_umask" && LC_ALL=C command -p tar -x -m -o -f "$hansa_archive" -C "$hansa_jobs") || hansa_undelivered "cannot unpack its code in $hansa_jobs"
  fi
fi
if ((${#hansa_secrets[@]} > 0)); then
  for hansa_file in "${hansa_secrets[@]}"; do
    [[ -f $hansa_work_dir/secrets/$hansa_tag/$hansa_file && -s $hansa_work_dir/secrets/$hansa_tag/$hansa_file && ! -L $hansa_work_dir/secrets/$hansa_tag/$hansa_file ]] ||
      hansa_undelivered "its secret $hansa_file is not, or not any more, in $hansa_work_dir/secrets/$hansa_tag"
    command -p chmod 600 "$hansa_work_dir/secrets/$hansa_tag/$hansa_file"  # whatever the umask was; the folder is 0700
  done
  hansa_own+=(HANSA_SECRET_DIR="$hansa_work_dir/secrets/$hansa_tag")
fi
hansa_script | command -p install -D -T -m 700 /dev/stdin "$hansa_jobs/$hansa_name"
[[ ${PIPESTATUS[*]} == "0 0" ]] && cd "$hansa_jobs" || hansa_undelivered "cannot write the script in $hansa_jobs"
hansa_launch=$hansa_work_dir/launch/$hansa_launch_version
if [[ ! -x $hansa_launch/hansa-launch ]]; then  # the account's first job with it
  hansa_part=$hansa_launch/$hansa_tag.$hansa_task.$$
  hansa_launch_script | command -p install -D -T -m 700 /dev/stdin "$hansa_part"
  [[ ${PIPESTATUS[*]} == "0 0" ]] && command -p mv -fT "$hansa_part" "$hansa_launch/hansa-launch" || {
    command -p rm -f "$hansa_part"
    hansa_undelivered "cannot write hansa-launch in $hansa_launch"
  }
fi
hansa_runner=()
if [[ -n $hansa_image ]]; then
  case $hansa_image in  # of those in a registry the runtime looks at the digest
    /*)
      hansa_sum=$(command -p sha256sum <"$hansa_image") && [[ ${hansa_sum%% *} == "$hansa_image_digest" ]] ||
        hansa_undelivered "the image $hansa_image is not there, or is another than that of its digest" ;;
    code:* | data:*)
      hansa_find_image
      [[ $hansa_image != data:* || ! -d $hansa_file ]] || hansa_undelivered "the folder $hansa_file holds no image (*.sif), or several"
      [[ -r $hansa_file ]] || hansa_undelivered "the image $hansa_file is not there" ;;
  esac
  [[ $hansa_any_runtime == no || -x /usr/bin/apptainer || -x /usr/bin/singularity ]] ||
    hansa_undelivered "there is neither apptainer nor singularity in /usr/bin on this node"
  hansa_install_container || hansa_undelivered "cannot write hansa-container in $hansa_jobs"
  hansa_container=$PWD/.hansa-bin/hansa-container
  if [[ $hansa_processes_only == yes ]]; then hansa_own+=(HANSA_CONTAINER="$hansa_container"); else hansa_runner=(/bin/bash "$hansa_container"); fi
fi
hansa_nodes=
case $hansa_launcher in
  slurm)
    hansa_nodes=${SLURMD_NODENAME:-}
    ((hansa_node_count == 1)) || hansa_nodes=$(PATH=$PATH:/usr/bin:/usr/local/bin scontrol show hostnames "${SLURM_JOB_NODELIST:-}")
    ;;
  pbs)  # a line for each process that MPI would start
    declare -A hansa_seen=()
    while read -r hansa_line; do
      [[ -n $hansa_line && -z ${hansa_seen[$hansa_line]:-} ]] || continue
      hansa_seen[$hansa_line]=yes
      hansa_nodes+=${hansa_nodes:+,}$hansa_line
    done < <([[ ! -r ${PBS_NODEFILE:-} ]] || command -p cat "$PBS_NODEFILE") ;;
esac
hansa_nodes=${hansa_nodes//$'\n'/,}
((hansa_node_count > 1)) || hansa_nodes=${hansa_nodes:-$HOSTNAME}
# Environments are not words of a command line, which others on the node can read, but for names that bash cannot set or would heed.
hansa_odd=()
hansa_set() {
  local hansa_line
  shopt -s globasciiranges
  for hansa_line; do
    case ${hansa_line%%=*} in
      '' | [0-9]* | *[!A-Za-z0-9_]* | _ | hansa_* | BASH* | COMP_* | DIRSTACK | EPOCH* | EUID | FUNCNAME | FUNCNEST | GLOBIGNORE | GROUPS | HISTCMD | IFS | LANG | LC_* | \
        LINENO | OPT* | PIPESTATUS | POSIXLY_CORRECT | PPID | RANDOM | SECONDS | SHELLOPTS | SRANDOM | UID) hansa_odd+=("$hansa_line") ;;
      *) export -- "$hansa_line" ;;
    esac
  done
}
((${#hansa_unset[@]} == 0)) || unset -v "${hansa_unset[@]}"
hansa_temporary=${hansa_scratch:-${TMPDIR:-/tmp}}
if [[ $hansa_login == yes ]]; then  # a profile may end its shell; what it prints is none of the job's
  hansa_login_environment=() hansa_line=
  while IFS= read -r -d '' hansa_line && [[ $hansa_line != end ]]; do  # not to the end of the pipe: a profile may leave something running
    hansa_login_environment+=("$hansa_line")
  done < <(exec 198>&1 && /bin/bash -l -c 'cd "$0" && exec /usr/bin/env -u _ -0 >&198' "$PWD" </dev/null >/dev/null 2>&1 && printf 'end\0')
  [[ $hansa_line == end ]] && ((${#hansa_login_environment[@]} > 0)) ||
    hansa_undelivered "a login as this account gives no environment: see /etc/profile and its own profile" LOGIN_FAILED
  mapfile -t hansa_names < <(compgen -e)
  unset -v "${hansa_names[@]}" 2>/dev/null
  hansa_set "${hansa_login_environment[@]}"
fi
if ((${#hansa_modules[@]} > 0)); then
  hansa_load_modules || hansa_undelivered "cannot load the site's modules ${hansa_modules[*]}"
fi
hansa_set "${hansa_environment[@]}" HANSA_SITE_JOB_ID="$hansa_site_job" HANSA_RUN="$hansa_run" HANSA_NODELIST="$hansa_nodes" HANSA_MASTER_ADDR="${hansa_nodes%%,*}" \
  HANSA_SCRATCH="$hansa_temporary" HANSA_OUTPUT="$hansa_work_dir/output/$hansa_tag${hansa_array_variable:+.$hansa_task}" "${hansa_own[@]}"
export PATH="$hansa_launch:${PATH:-/usr/local/bin:/usr/bin:/bin}"
set -- "${hansa_runner[@]}" "$PWD/$hansa_name" "${hansa_arguments[@]}"
if ((${#hansa_odd[@]} > 0)); then
  [[ $1 != *=* ]] || set -- "./$hansa_name" "${hansa_arguments[@]}"  # env(1) would take it for a variable
  set -- /usr/bin/env -- "${hansa_odd[@]}" "$@"
fi
umask "$hansa_umask"
((${#hansa_secrets[@]} > 0)) && [[ $hansa_may_requeue == no && -z $hansa_array_variable ]] || exec "$@"
# It outlives the payload to take the secrets away. What signals it gets the payload has had as well: schedulers signal a job's
# processes, all of them. What bash would say of the payload's end is none of the job's.
trap : HUP INT QUIT TERM USR1 USR2 XCPU XFSZ
exec 198>&2 2>/dev/null
"$@" 2>&198 198>&-
hansa_status=$?
command -p rm -rf "$hansa_work_dir/secrets/$hansa_tag"
exit "$hansa_status"
)bash";

// One of the job's code is in its folder; of a dataset it is the file, or the one image in its folder.
constexpr std::string_view kFindImage = R"bash(
hansa_find_image() {
  hansa_file=$hansa_image
  case $hansa_image in
    code:*) hansa_file=$hansa_jobs/${hansa_image#code:} ;;
    data:*)
      hansa_file=${hansa_image#data:}
      local files=("$hansa_file"/*.sif)
      ((${#files[@]} > 1)) || [[ ! -f ${files[0]} ]] || hansa_file=${files[0]} ;;
  esac
}
)bash";

// Where it runs is where its caller is; what the job's folder and its scratch hold is there under the same names. Which GPUs
// there are is seen on the node itself, unless the site says it.
constexpr std::string_view kContainer = R"bash(hansa_jobs=${BASH_SOURCE[0]%/.hansa-bin/*}
hansa_options=(--bind "$hansa_jobs" --pwd "$PWD")
[[ ! -d ${HANSA_SCRATCH:-} ]] || hansa_options+=(--bind "$HANSA_SCRATCH")
[[ ! -d ${HANSA_SECRET_DIR:-} ]] || hansa_options+=(--bind "$HANSA_SECRET_DIR")
if [[ $hansa_gpus == seen ]]; then
  hansa_gpus=none
  [[ ! -e /dev/kfd ]] || hansa_gpus=amd
  [[ ! -e /dev/nvidiactl ]] || hansa_gpus=nvidia
fi
case $hansa_gpus in
  nvidia) hansa_options+=(--nv) ;;
  amd) hansa_options+=(--rocm) ;;
esac
for hansa_bind in "${hansa_binds[@]}"; do
  [[ $hansa_bind == /* ]] || hansa_bind=$hansa_jobs/$hansa_bind
  hansa_options+=(--bind "$hansa_bind")
done
if [[ -z $hansa_runtime ]]; then
  for hansa_runtime in /usr/bin/apptainer /usr/bin/singularity; do
    [[ ! -x $hansa_runtime ]] || break
  done
fi
hansa_find_image
exec "$hansa_runtime" exec "${hansa_options[@]}" "$hansa_file" "$@"
)bash";

constexpr std::size_t kBase64Line = 76;

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

bool is_variable(std::string_view text) { return is_name(text) && !text.contains('-') && (text[0] < '0' || text[0] > '9'); }

/// A list of words in which every byte but those that mean nothing to any shell is told by its number.
std::string word_list(std::string_view name, const std::vector<std::string>& words) {
  auto text = std::string(name) + "=(";
  for (const auto& word : words) {
    text += " $'";
    for (const auto c : word) {
      if (is_name(std::string_view(&c, 1)) || std::string_view("./@+,=:").contains(c)) {
        text += c;
        continue;
      }
      const auto byte = static_cast<unsigned char>(c);
      text +=
          {'\\', static_cast<char>('0' + byte / 64), static_cast<char>('0' + byte / 8 % 8), static_cast<char>('0' + byte % 8)};
    }
    text += '\'';
  }
  return text + " )\n";
}

/// Of modules, what is bound, and images but those of datasets: nothing that ends a quoted word of bash or begins an option.
bool is_plain_word(std::string_view text) {
  return !text.empty() && text.front() != '-' && std::ranges::all_of(text, [](char c) {
    return is_name(std::string_view(&c, 1)) || std::string_view("./@:+=,~").contains(c);
  });
}

/// A file is named without its digest, which is looked at before; anything else with it.
std::size_t image_end(std::string_view image) { return image.starts_with('/') ? image.rfind('@') : std::string_view::npos; }

/// The site's modules for those that the job names.
std::vector<std::string> modules_of(const WrapperSpec& spec) {
  std::vector<std::string> modules;
  for (const auto& name : spec.software.modules) {
    const auto known = spec.profile.modules.find(name);
    if (known != spec.profile.modules.end()) modules.insert(modules.end(), known->second.begin(), known->second.end());
  }
  return modules;
}

/// hansa-container: a command, and all of its words, becomes the container's.
std::string container_script(const WrapperSpec& spec) {
  const auto& vendor = spec.profile.gpu_vendor;
  std::string text = "#!/bin/bash\n# Runs COMMAND [ARG...] in the job's container. Delivered with the job by Hansa.\n";
  text += word_list("hansa_runtime", {spec.profile.container_runtime});
  text += word_list("hansa_image", {spec.software.image.substr(0, image_end(spec.software.image))});
  text += word_list("hansa_binds", spec.software.binds);
  text += "hansa_gpus=" + std::string(spec.shape.gpus_per_node == 0 ? "none" : vendor.empty() ? "seen" : vendor);
  return text.append("\n").append(kFindImage).append(kContainer);
}

/// A function that writes `bytes`. The quoted here-document is not read for expansions, and base 64 holds no '_'.
std::string here_document(std::string_view function, std::string_view bytes) {
  return std::string(function) + "() {\n  command -p base64 -d <<'END_OF_DATA'\n" + to_base64(bytes, kBase64Line) +
         "\nEND_OF_DATA\n}\n";
}

std::string_view name_of(Launcher launcher) {
  switch (launcher) {
    case Launcher::slurm: return "slurm";
    case Launcher::pbs: return "pbs";
    case Launcher::plain: break;
  }
  return "plain";
}

void find_software_faults(const WrapperSpec& spec, std::vector<Fault>& faults) {
  const auto& [image, binds, processes_only, names] = spec.software;
  const auto& profile = spec.profile;
  for (const auto& name : names) {
    if (!profile.modules.contains(name)) faults.push_back({"/modules", "this site's profile has no module \"" + name + "\""});
  }
  for (const auto& [name, modules] : profile.modules) {
    if (!std::ranges::all_of(modules, is_plain_word)) faults.push_back({"modules", "\"" + name + "\" is not for a command line"});
  }
  if (image.empty()) return;
  if ((!profile.container_runtime.empty() && !is_plain_word(profile.container_runtime)) ||
      !is_plain_word(profile.gpu_vendor + "/"))
    faults.push_back({"containers", "is not for a command line"});
  if (!std::ranges::all_of(binds, is_plain_word)) faults.push_back({"/container/binds", "letters, digits and ._/@:+-=,~ only"});
  if (image.starts_with("code:") || image.starts_with("data:")) {
    const bool of_code = image.starts_with("code:");
    const std::string_view path = std::string_view(image).substr(5);
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
    const bool may_be =
        of_code ? is_plain_word(path) : std::ranges::none_of(path, is_control);  // a site names its folders itself
    const bool stays = path != ".." && !path.starts_with("../") && !path.ends_with("/..") && !path.contains("/../");
    if (!may_be || !stays || path.starts_with('/') == of_code)
      faults.push_back(
          {"/container/image",
           "no \"..\"; of code beneath it, letters, digits and ._/@:+-=,~ only; of data absolute, no control characters"});
    if (of_code && spec.code.empty()) faults.push_back({"/container/image", "is of the job's code, and it has none"});
    return;
  }
  const auto mark = image.rfind("@sha256:");
  if (!is_plain_word(image) || mark == std::string::npos ||
      image.find_first_not_of("0123456789abcdef", mark + 8) != std::string::npos || image.size() != mark + 8 + 64)
    faults.push_back({"/container/image", "is not pinned by its digest, @sha256: and 64 hexadecimal digits"});
}

std::vector<Fault> find_faults(const WrapperSpec& spec) {
  std::vector<Fault> faults;
  if (!is_name(spec.tag.str())) faults.push_back({"tag", "letters, digits, '-' and '_' only"});
  if (!is_safe_work_dir(spec.work_dir)) faults.push_back({"work_dir", "letters, digits and ._/@+,- only, without \"..\""});
  if (!spec.profile.module_init.empty() &&
      (!spec.profile.module_init.starts_with('/') || !is_safe_work_dir(spec.profile.module_init)))
    faults.push_back({"module_init", "an absolute path of letters, digits and ._/@+,- only, without \"..\""});
  if (!spec.profile.scratch.empty() && (!spec.profile.scratch.starts_with('/') || !is_safe_work_dir(spec.profile.scratch)))
    faults.push_back({"scratch", "an absolute path of letters, digits and ._/@+,- only, without \"..\""});
  if (!spec.code.empty() && (spec.code.size() != 64 || spec.code.find_first_not_of("0123456789abcdef") != std::string::npos))
    faults.push_back({"code", "64 hex digits only"});
  for (const auto& file : spec.secrets) {
    const bool plain = std::ranges::all_of(file, [](char c) { return is_name(std::string_view(&c, 1)) || c == '.'; });
    if (!plain || file.empty() || file.front() == '.') faults.push_back({"/secrets", "letters, digits, '.', '_' and '-' only"});
  }
  const auto check_variable = [&](const std::string& name) {
    if (!is_variable(name)) faults.push_back({name, "is not the name of a variable"});
  };
  check_variable(spec.job_id_variable);
  check_variable(spec.run_variable);
  check_variable(spec.task_variable);
  if (!spec.array_variable.empty()) check_variable(spec.array_variable);
  for (const auto& name : spec.unset) check_variable(name);
  for (const auto* list : {&spec.exported, &spec.profile.environment}) {
    for (const auto& [name, value] : *list) check_variable(name);
  }

  find_software_faults(spec, faults);
  if (!spec.script.starts_with("#!")) faults.push_back({"/script", "must start with \"#!\""});
  if (spec.script.contains('\0')) faults.push_back({"/script", "holds a NUL byte"});
  if (spec.script.size() > kMaxScriptBytes) {
    faults.push_back(
        {"/script", "has " + std::to_string(spec.script.size()) + " bytes; at most " + std::to_string(kMaxScriptBytes)});
  }
  std::size_t total = 0;
  const auto check_text = [&](const std::string& where, const std::string& text, std::size_t size) {
    total += size + 1;
    if (text.contains('\0')) faults.push_back({where, "holds a NUL byte"});
    if (size > kMaxArgumentBytes) faults.push_back({where, "is longer than " + std::to_string(kMaxArgumentBytes) + " bytes"});
  };
  for (std::size_t i = 0; i < spec.arguments.size(); ++i) {
    check_text("/arguments/" + std::to_string(i), spec.arguments[i], spec.arguments[i].size());
  }
  for (const auto& [name, value] : spec.environment) {
    check_text("/environment/" + name, value, name.size() + 1 + value.size());
    if (name.empty() || name.contains('=') || name.contains('\0')) {
      faults.push_back({"/environment/" + name, "a name must not be empty nor hold '=' or NUL"});
    }
  }
  if (total > kMaxArgumentsBytes) {
    faults.push_back({"/arguments", "arguments and environment have more than " + std::to_string(kMaxArgumentsBytes) + " bytes"});
  }
  if (total + spec.script.size() > kMaxPayloadBytes) {
    faults.push_back(
        {"/script", "script, arguments and environment have more than " + std::to_string(kMaxPayloadBytes) + " bytes"});
  }
  return faults;
}

std::unexpected<Error> not_deliverable(std::vector<Fault> faults) {
  return std::unexpected(
      Error{.kind = ErrorKind::invalid_argument,
            .code = "PAYLOAD_NOT_DELIVERABLE",
            .message = "the job cannot be handed to a site: " + faults.front().where + ' ' + faults.front().message,
            .faults = std::move(faults)});
}

}  // namespace

Result<std::string> make_wrapper(const WrapperSpec& spec) {
  if (auto faults = find_faults(spec); !faults.empty()) return not_deliverable(std::move(faults));
  const std::vector<std::pair<std::string, std::string>> shape{{"HANSA_NODES", std::to_string(spec.shape.nodes)},
                                                               {"HANSA_TASKS", std::to_string(spec.shape.tasks)},
                                                               {"HANSA_CPUS_PER_TASK", std::to_string(spec.shape.cpus_per_task)},
                                                               {"HANSA_GPUS_PER_NODE", std::to_string(spec.shape.gpus_per_node)},
                                                               {"HANSA_LAUNCHER", std::string(name_of(spec.launcher))}};
  std::vector<std::string> environment;
  for (const auto* list : {&spec.profile.environment, &spec.environment, &shape, &spec.exported}) {  // the last of a name counts
    for (const auto& [name, value] : *list) environment.push_back(name + '=' + value);
  }

  std::string text = "#!/bin/bash\n# Made by Hansa: takes the job's fence, then becomes its script.\n";
  const auto assign = [&](std::string_view name, std::string_view safe_value) {
    text.append(name).append("='").append(safe_value).append("'\n");
  };
  assign("hansa_tag", spec.tag.str());
  assign("hansa_work_dir", spec.work_dir);
  assign("hansa_code", spec.code);
  assign("hansa_may_requeue", spec.may_requeue ? "yes" : "no");
  assign("hansa_writes_output", spec.writes_output ? "yes" : "no");
  assign("hansa_job_variable", spec.job_id_variable);
  assign("hansa_run_variable", spec.run_variable);
  assign("hansa_task_variable", spec.task_variable);
  assign("hansa_array_variable", spec.array_variable);
  assign("hansa_login", spec.login ? "yes" : "no");
  assign("hansa_port", std::to_string(spec.master_port));
  assign("hansa_launcher", name_of(spec.launcher));
  assign("hansa_node_count", std::to_string(spec.shape.nodes));
  assign("hansa_scratch", spec.profile.scratch);
  assign("hansa_launch_version", sha256_hex(launch_script()).substr(0, 16));
  text += word_list("hansa_secrets", spec.secrets);
  text += word_list("hansa_unset", spec.unset);
  text += word_list("hansa_environment", environment);
  text += word_list("hansa_arguments", spec.arguments);
  const auto& image = spec.software.image;
  text += word_list("hansa_image", {image.substr(0, image_end(image))});
  assign("hansa_image_digest", image.substr(std::min(image.rfind(':') + 1, image.size())));
  assign("hansa_any_runtime", spec.profile.container_runtime.empty() ? "yes" : "no");
  assign("hansa_processes_only", spec.software.processes_only ? "yes" : "no");
  assign("hansa_module_init", spec.profile.module_init);
  text += word_list("hansa_modules", modules_of(spec));
  text += here_document("hansa_script", spec.script);
  text.append("hansa_launch_script() {\n  command -p cat <<'END_OF_LAUNCH'\n")
      .append(launch_script())
      .append("END_OF_LAUNCH\n}\n");
  if (!image.empty()) {
    text.append(kFindImage)
        .append(
            "hansa_install_container() {\n  command -p install -D -m 700 /dev/stdin .hansa-bin/hansa-container "
            "<<'END_OF_CONTAINER'\n")
        .append(container_script(spec))
        .append("END_OF_CONTAINER\n}\n");
  }
  text += kProtocol;
  if (text.size() > kMaxWrapperBytes)
    return not_deliverable(
        {{"/arguments", "arguments and environment with so many other than plain characters are too large, beside the script"}});
  return text;
}

SiteProfile profile_for(SiteProfile profile, std::string_view account) {
  constexpr std::string_view kAccount = "{account}";
  for (auto at = profile.scratch.find(kAccount); at != std::string::npos;
       at = profile.scratch.find(kAccount, at + account.size()))
    profile.scratch.replace(at, kAccount.size(), account);
  return profile;
}

std::string quality_for(const SiteProfile& profile, std::string_view queue, std::int32_t nodes, std::chrono::seconds time_limit) {
  const auto takes = [&](const QualityOfService& quality) {
    return (quality.queue.empty() || quality.queue == queue) && (!quality.max_time || time_limit <= *quality.max_time) &&
           (!quality.max_nodes || nodes <= *quality.max_nodes);
  };
  const auto found = std::ranges::find_if(profile.qualities, takes);
  return found == profile.qualities.end() ? "" : found->name;
}

std::uint16_t master_port(std::string_view job) {
  std::uint64_t bits = 0;
  const auto digest = sha256_hex(job);
  std::from_chars(digest.data(), digest.data() + 8, bits, 16);
  return static_cast<std::uint16_t>(20'000 + bits % 10'000);
}

bool is_safe_work_dir(std::string_view path) {
  if (path.empty() || path == "/" || path.ends_with("/..") || path == ".." || path.starts_with("../") || path.contains("/../"))
    return false;
  return path[0] != '-' && std::ranges::all_of(path, [](char c) {
           return is_name(std::string_view(&c, 1)) || std::string_view("./@+,").contains(c);
         });
}

std::string fence_path(const Tag& tag, std::int32_t task) { return "fence/" + tag.str() + '.' + std::to_string(task); }

std::string array_fence_path(const Tag& tag) { return "fence/" + tag.str() + ".array"; }

std::string refusal_path(const Tag& tag, std::int32_t task, const SiteJobId& id, std::int32_t run) {
  return "refused/" + tag.str() + '.' + std::to_string(task) + '.' + id.str() + '.' + std::to_string(run);
}

std::string output_path(const Tag& tag, bool standard_error) {
  return "output/" + tag.str() + (standard_error ? ".err" : ".out");
}

std::string task_output_path(const Tag& tag, std::string_view task, bool standard_error) {
  return "output/" + tag.str() + '.' + std::string(task) + (standard_error ? ".err" : ".out");
}

SiteJobId task_id(const SiteJobId& array, std::int32_t task) { return SiteJobId(array.str() + '_' + std::to_string(task)); }

std::string code_path(std::string_view digest) { return "code/" + std::string(digest) + ".tar"; }

std::string secrets_path(const Tag& tag) { return "secrets/" + tag.str(); }

std::string job_folder(const Tag& tag) { return "jobs/" + tag.str(); }

const std::vector<std::string>& work_folders() {
  static const std::vector<std::string> folders{"fence", "refused", "jobs", "output", "code", "secrets"};
  return folders;
}

Refusal read_refusal(std::string_view note) {
  const auto colon = std::min(note.find(':'), note.size());
  const auto code = note.substr(0, colon);
  if (code == "DUPLICATE") {
    const auto holder = note.substr(std::min(colon + 1, note.size()));
    const bool plain = !holder.empty() && holder.size() <= 256 && std::ranges::all_of(holder, [](char c) {
      return is_name(std::string_view(&c, 1)) || c == ':' || c == '.' || c == '[' || c == ']';
    });
    return {"DUPLICATE", "its payload did not run: the job's fence is held by " + std::string(plain ? holder : "something else")};
  }
  if (code == "SITE_REQUEUED")
    return {"SITE_REQUEUED", "the site started it again, which the job did not ask for: the second start ran nothing"};
  if (code == "LOGIN_FAILED")
    return {
        "LOGIN_FAILED",
        "its payload did not run: a login as its account gave no environment; see /etc/profile and the account's own profile at "
        "the site"};
  if (code == "DELIVERY_FAILED")
    return {
        "DELIVERY_FAILED",
        "its payload did not run: its script, or its code, could not be written in the account's work_dir, or a secret of it is "
        "not there"};
  return {"FENCE_FAILED", "its payload did not run: the fence could not be taken in the account's work_dir"};
}

SiteJobId holder_of(std::string_view fence_target) {
  if (!fence_target.starts_with("job:")) return {};
  fence_target.remove_prefix(4);
  return SiteJobId(fence_target.substr(0, fence_target.find(':')));
}

}  // namespace hansa::connectors::transport
