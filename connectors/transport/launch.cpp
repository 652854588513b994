// SPDX-License-Identifier: Apache-2.0
#include "connectors/transport/launch.hpp"

namespace hansa::connectors::transport {

namespace {

// Bash 4.4, as the wrapper. Where it runs on other nodes it goes along as an argument, so that they need to see no file of the
// job's.
//
// A process that fails ends the others, and its exit status is the launch's. srun tells the highest one only: so a process that
// was ended ends with 1, below any that ended the others. pbsdsh always ends with 0, and prints what its process ended with;
// nothing of that process's output comes back through it, so that goes where the first node's goes, by name.
constexpr std::string_view kLaunch = R"bash(#!/bin/bash
# hansa-launch [--per-node] COMMAND [ARG...]
# One process for each task of the job, or for each node, with RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, NODE_RANK, MASTER_ADDR and
# MASTER_PORT. The first that fails ends the others and gives the exit status. Delivered with the job by Hansa.
read -r -d '' hansa_parts <<'END_OF_PARTS'
hansa_ended= hansa_ends=
trap 'hansa_ended=yes; [[ -z $hansa_ends ]] || printf "ended\n" >&"$hansa_ends"' TERM INT HUP
# The part of a list that is INDEX's of COUNT: at least one of its entries.
hansa_slice() {
  local IFS=, list
  read -ra list <<<"$1"
  local many=${#list[@]} from to
  from=$(($2 * many / $3)) to=$((($2 + 1) * many / $3))
  ((to > from)) || to=$((from + 1))
  hansa_part="${list[*]:from:to-from}"
}
# What the scheduler gave this node, shared out. HIP counts within what ROCR leaves: there one variable is enough.
hansa_bind_gpus() {
  local name
  if [[ -n ${ROCR_VISIBLE_DEVICES:-} && -e /dev/kfd ]]; then
    unset CUDA_VISIBLE_DEVICES HIP_VISIBLE_DEVICES GPU_DEVICE_ORDINAL
  fi
  for name in CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES GPU_DEVICE_ORDINAL ZE_AFFINITY_MASK; do
    [[ -n ${!name:-} ]] || continue
    hansa_slice "${!name}" "$1" "$2"
    export "$name=$hansa_part"
  done
}
# Cores are bound only where the scheduler has given this job some of the machine's for itself.
hansa_bind_cores() {
  hansa_pin=()
  local key value range all="" many
  while read -r key value; do
    [[ $key != Cpus_allowed_list: ]] || break
  done </proc/self/status
  [[ ${key:-} == Cpus_allowed_list: ]] || return 0
  local IFS=,
  for range in $value; do all+=${all:+,}$(command -p seq -s, "${range%-*}" "${range#*-}"); done
  local list=($all)
  many=${#list[@]}
  ((many >= $2 && many < $(command -p getconf _NPROCESSORS_ONLN))) && command -v taskset >/dev/null || return 0
  hansa_slice "$all" "$1" "$2"
  hansa_pin=(taskset -c "$hansa_part")
}
hansa_alive() {
  local k
  for k; do
    ! kill -0 -- "-$k" || return 0
  done
  return 1
}
# Runs hansa_child K for each K given, and ends all when one fails. Each tells its own end: nobody has to be waited for in turn.
hansa_tend() {
  local k code left=$# last=-1 status=0 pids=() reaper= pause=1 heard=
  exec {hansa_ends}<> <(:)
  set -m
  for k; do
    if ((last < 0)); then
      { (hansa_child "$k"); printf '%s\n' "$?" >&"$hansa_ends"; } <&0 &
    else
      { (hansa_child "$k"); printf '%s\n' "$?" >&"$hansa_ends"; } </dev/null &
    fi
    last=$k
    pids+=("$!")
  done
  while ((left > 0)); do
    if read -r -t "$pause" -u "$hansa_ends" code; then
      code=$heard$code heard=
      if [[ $code == ended ]]; then code=0; else ((left -= 1)); fi
    elif heard+=$code; [[ -n $(jobs -pr) ]]; then  # its time may be up within a line
      code=0
    elif read -r -t 0.2 -u "$hansa_ends" code; then  # it ended just now
      code=$heard$code heard=
      ((left -= 1))
    else
      code=1 left=0  # killed, and cannot tell
    fi
    if [[ -z $reaper && (-n $hansa_ended || $code != 0) ]]; then
      [[ -n $hansa_ended ]] || status=$code
      pause=0.1
      for k in "${pids[@]}"; do kill -TERM -- "-$k"; done
      (command -p sleep 10; for k in "${pids[@]}"; do kill -KILL -- "-$k"; done) &
      reaper=$!
      disown "$reaper"
    fi
    [[ -z $reaper ]] || hansa_alive "${pids[@]}" || break
  done
  if [[ -n $reaper ]]; then
    while hansa_alive "${pids[@]}"; do command -p sleep 0.1; done
    kill -KILL -- "-$reaper"
  fi
  [[ -z $hansa_ended || $status != 0 ]] || status=1
  return "$status"
} 2>/dev/null
# LOCAL: becomes this node's process of that local rank.
hansa_child() {
  exec 2>&"$hansa_errors"
  export LOCAL_RANK=$1 RANK=$((HANSA_FIRST_RANK + $1))
  if [[ $HANSA_EACH == task ]]; then
    hansa_bind_gpus "$1" "$LOCAL_WORLD_SIZE"
    if [[ $HANSA_LAUNCHER == slurm ]]; then hansa_pin=(); else hansa_bind_cores "$1" "$LOCAL_WORLD_SIZE"; fi
  else
    hansa_pin=()
  fi
  unset HANSA_FIRST_RANK HANSA_EACH
  trap - TERM INT HUP
  [[ -z $hansa_ends ]] || exec {hansa_ends}>&-
  exec {hansa_errors}>&-
  exec -- "${hansa_pin[@]}" ${HANSA_CONTAINER:+/bin/bash "$HANSA_CONTAINER"} "${hansa_command[@]}"
}
# NODE COUNT FIRST WORLD: what all of a node's processes are told.
hansa_at_node() {
  export NODE_RANK=$1 LOCAL_WORLD_SIZE=$2 HANSA_FIRST_RANK=$3 WORLD_SIZE=$4
  export MASTER_ADDR=$HANSA_MASTER_ADDR MASTER_PORT=$HANSA_MASTER_PORT
  if [[ $HANSA_EACH == node ]]; then  # torchrun's own defaults
    export PET_NNODES=$HANSA_NODES PET_NODE_RANK=$NODE_RANK PET_MASTER_ADDR=$MASTER_ADDR PET_MASTER_PORT=$MASTER_PORT
    export PET_NPROC_PER_NODE=$((HANSA_GPUS_PER_NODE > 0 ? HANSA_GPUS_PER_NODE : (HANSA_TASKS + HANSA_NODES - 1) / HANSA_NODES))
  fi
  exec {hansa_errors}>&2
}
# And then COMMAND...: all of them.
hansa_on_node() {
  hansa_at_node "$@"
  hansa_command=("${@:5}")
  hansa_tend $(command -p seq 0 "$(($2 - 1))")
}
# Of srun: one process of many.
hansa_in_step() {
  local IFS=, part repeat node=0 count=1
  for part in ${SLURM_STEP_TASKS_PER_NODE:-1}; do  # "4(x2),3"
    repeat=1
    [[ $part != *x* ]] || { repeat=${part#*x} repeat=${repeat%)}; }
    if ((SLURM_NODEID < node + repeat)); then
      count=${part%%(*}
      break
    fi
    ((node += repeat))
  done
  unset IFS
  hansa_at_node "$SLURM_NODEID" "$count" "$((SLURM_PROCID - SLURM_LOCALID))" "$SLURM_STEP_NUM_TASKS"
  hansa_command=("$@")
  hansa_child "$SLURM_LOCALID" <&0 &
  local child=$! status
  until
    wait "$child"
    status=$?
    ! kill -0 "$child" 2>/dev/null
  do :; done
  # A failure waits a moment: the others may still be on their way to where they can be asked to end, which would have a higher status;
  # and whoever asks asks this process and its own, which may have heard it first.
  ((status == 0)) || [[ -n $hansa_ended ]] || ((SECONDS >= 3 && status != 143)) || command -p sleep 1
  [[ -z $hansa_ended || ($status != 0 && $status != 143) ]] || return 1
  return "$status"
}
END_OF_PARTS

hansa_fail() {
  printf 'hansa-launch: %s\n' "$2" >&2
  exit "$1"
}
export HANSA_EACH=task
while [[ ${1-} == -* ]]; do
  case $1 in
    --per-node) HANSA_EACH=node ;;
    --help | -h)
      printf '%s\n' 'Usage: hansa-launch [--per-node] COMMAND [ARG...]' '' \
        'Starts COMMAND once for each task of the job, or once on each node (--per-node, as torchrun wants it).' \
        'Each has RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, NODE_RANK, MASTER_ADDR and MASTER_PORT, and its part' \
        'of the GPUs and cores. The first that fails ends the others, and its exit status is that of hansa-launch.'
      exit 0
      ;;
    --)
      shift
      break
      ;;
    *) hansa_fail 2 "there is no option $1; say --per-node, or -- before a command that begins with -" ;;
  esac
  shift
done
[[ $# -gt 0 ]] || hansa_fail 2 "nothing to start; say hansa-launch [--per-node] COMMAND [ARG...]"
for hansa_name in HANSA_NODES HANSA_TASKS HANSA_CPUS_PER_TASK HANSA_GPUS_PER_NODE HANSA_LAUNCHER HANSA_MASTER_PORT; do
  [[ -n ${!hansa_name:-} ]] || hansa_fail 2 "$hansa_name is not set: it works in a job of Hansa's only"
done
IFS=, read -ra hansa_nodes <<<"${HANSA_NODELIST:-}"
((${#hansa_nodes[@]} == HANSA_NODES)) || hansa_fail 1 "the names of the job's $HANSA_NODES nodes are not known: HANSA_NODELIST"

if [[ $HANSA_LAUNCHER == slurm ]]; then
  hansa_step=(--nodes="$HANSA_NODES" --kill-on-bad-exit=1 --export=ALL)
  if [[ $HANSA_EACH == node ]]; then
    hansa_step+=(--ntasks="$HANSA_NODES" --ntasks-per-node=1)
    if ((HANSA_TASKS % HANSA_NODES == 0)); then  # all cores of its node
      hansa_step+=(--cpus-per-task=$((HANSA_TASKS / HANSA_NODES * HANSA_CPUS_PER_TASK)))
    else
      hansa_step+=(--cpu-bind=none)
    fi
  else
    hansa_step+=(--ntasks="$HANSA_TASKS" --cpus-per-task="$HANSA_CPUS_PER_TASK")
  fi
  unset SLURM_NTASKS SLURM_NPROCS SLURM_NTASKS_PER_NODE SLURM_CPUS_PER_TASK SRUN_CPUS_PER_TASK SLURM_TRES_PER_TASK
  exec srun "${hansa_step[@]}" /bin/bash -c "$hansa_parts"$'\nhansa_in_step "$@"' hansa-launch "$@"
fi

hansa_counts=() hansa_firsts=() hansa_world=0
for ((hansa_i = 0; hansa_i < HANSA_NODES; ++hansa_i)); do  # the first nodes have one task more
  hansa_firsts+=("$hansa_world")
  if [[ $HANSA_EACH == node ]]; then
    hansa_counts+=(1)
  else
    hansa_counts+=($((HANSA_TASKS / HANSA_NODES + (hansa_i < HANSA_TASKS % HANSA_NODES ? 1 : 0))))
  fi
  ((hansa_world += hansa_counts[hansa_i]))
done
eval "$hansa_parts"
if ((HANSA_NODES == 1)); then
  hansa_on_node 0 "$hansa_world" 0 "$hansa_world" "$@"
  exit
fi
[[ $HANSA_LAUNCHER == pbs ]] || hansa_fail 1 "this site has no way to start processes on other nodes"

# PBS: a node's index is that of its first line in the file of nodes. Its processes get the environment of this one, but for what
# PBS says of the node itself.
mapfile -t hansa_lines <"$PBS_NODEFILE"
hansa_environment=()
while IFS= read -r -d '' hansa_i; do
  case ${hansa_i%%=*} in
    PBS_* | CUDA_VISIBLE_DEVICES | ROCR_VISIBLE_DEVICES | GPU_DEVICE_ORDINAL | ZE_AFFINITY_MASK | HOSTNAME | TMPDIR | HANSA_SCRATCH | SHLVL | PWD | OLDPWD | _) ;;
    *) hansa_environment+=("$hansa_i") ;;
  esac
done < <(command -p env -0)
hansa_file_of() {
  local file
  file=$(command -p readlink "/proc/self/fd/$1")
  [[ $file == /* && -f $file ]] && printf '%s' "$file" || printf '%s' "${2:-/dev/null}"
}
exec {hansa_out}>&1 {hansa_err}>&2
hansa_out_file=$(hansa_file_of "$hansa_out" "${HANSA_OUTPUT:-}.out")
hansa_err_file=$(hansa_file_of "$hansa_err" "${HANSA_OUTPUT:-}.err")
hansa_command=("$@")
hansa_child() {
  local k=$1 index status
  local words=("$k" "${hansa_counts[k]}" "${hansa_firsts[k]}" "$hansa_world" "${hansa_command[@]}")
  exec 2>&"$hansa_err"
  if ((k == 0)); then
    exec /bin/bash -c "$hansa_parts"$'\nhansa_on_node "$@"' hansa-launch "${words[@]}"
  fi
  for ((index = 0; index < ${#hansa_lines[@]}; ++index)); do
    [[ ${hansa_lines[index]} != "${hansa_nodes[k]}" ]] || break
  done
  status=$(exec pbsdsh -n "$index" -- /usr/bin/env -- "${hansa_environment[@]}" /bin/bash -c \
    $'cd "$1" 2>/dev/null; exec >>"$2" 2>>"$3"; shift 3\n'"$hansa_parts"$'\nhansa_on_node "$@"' hansa-launch \
    "$PWD" "$hansa_out_file" "$hansa_err_file" "${words[@]}") || return
  [[ $status =~ 'exit status '([0-9]+) ]] && return "$((BASH_REMATCH[1] > 255 ? 1 : BASH_REMATCH[1]))"
  return 0
}
hansa_tend $(command -p seq 0 "$((HANSA_NODES - 1))")
)bash";

}  // namespace

std::string_view launch_script() { return kLaunch; }

}  // namespace hansa::connectors::transport
