#!/bin/bash
# One attempt of a solve, as the batch script of a slurm job:
#   attempt.sh FOLDER MARK RANKS SCRATCH FINAL MODULES TIMES SOLVER [ARGUMENT ...]
# MODULES are names of environment modules, comma between them, or nothing. TIMES are milliseconds,
# comma between them: FENCE to wait for FOLDER/released, BEAT between two beats, LEASE without a beat
# that could be written, STALL without a step of the solver.
# FOLDER holds what is said of the attempt. By the head: released, whose slurm job alone may run;
# ended, once nobody waits for this attempt any more. By us: started, heartbeat, stdout.log,
# stderr.log, exit.json; the head may take `started` first, and then the attempt never runs.
# The solver writes SCRATCH, in FINAL's folder; FINAL appears whole, once, by link(2), and is never
# replaced. Everything comes as an argument; nothing is evaluated.
# Exit codes: the solver's; 90 = this attempt was started before; 91 = FINAL couldn't be published;
# 92 = a module couldn't be loaded; 93 = this slurm job isn't the released one; 94 = ended by the
# head; 95 = the solver made no step; 96 = no beat could be written.
set -eu
# Slurm gives a batch script no PATH of its own, and bash doesn't export its default.
export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"
folder=$1 mark=$2 ranks=$3 scratch=$4 final=$5 modules=$6 times=$7
shift 7
IFS=, read -r fence_ms beat_ms lease_ms stall_ms <<<"$times"

# A wait without a process of its own: nothing ever comes through the first pipe. Through the second
# one comes why the watcher ended the ranks.
exec 9<> <(:) 8<> <(:)
pause() { read -rt "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))" -u 9 _ || true; }
# Milliseconds of a clock that nobody sets, in steps of ten.
uptime_ms() {
  local seconds
  read -r seconds _ </proc/uptime
  printf '%d' "$((10#${seconds/./} * 10))"
}

# The fence: another copy of this attempt (an answer that came late, a second head) is no attempt.
# Shared storage may show the name a moment later than it was made.
waited=0
until [ -s "$folder/released" ] || [ "$waited" -ge "$fence_ms" ]; do
  pause 200
  waited=$((waited + 200))
done
ours="${SLURM_CLUSTER_NAME:-} ${SLURM_JOB_ID:-0}"
if [ "$(cat -- "$folder/released" 2>/dev/null || true)" != "$ours" ]; then exit 93; fi

# O_EXCL: an attempt that Slurm starts twice (a requeue) must not run beside or after itself. The
# second line is this process, for a head on the same machine.
read -r life </proc/$$/stat
read -ra life <<<"${life##*) }"
read -r boot </proc/sys/kernel/random/boot_id
space=$(readlink /proc/self/ns/pid || true)
set -o noclobber
if ! printf '%s\n%s\n' "${SLURM_JOB_ID:-0}" "$boot $space $$ ${life[19]}" \
  2>/dev/null >"$folder/started"; then
  exit 90
fi
set +o noclobber
exec </dev/null >"$folder/stdout.log" 2>"$folder/stderr.log"
sync "$folder/started" "$folder"
export LIGASE_MARK=$mark

# Leaves the record of the end, whole, and ends.
finish() {
  local status=$1 signal=null
  if [ "$status" -gt 128 ]; then signal=$((status - 128)); fi
  printf '{"exitCode":%d,"signal":%s}\n' "$status" "$signal" >"$folder/exit.json.part"
  sync "$folder/exit.json.part"
  mv -T -- "$folder/exit.json.part" "$folder/exit.json"
  sync "$folder"
  exit "$status"
}

# Modules are a function of the shell, which a batch script may have to fetch first. Neither it nor
# what it loads is written for -e and -u.
load_modules() {
  local name init names
  if ! type module >/dev/null 2>&1; then
    for init in "${MODULESHOME:-/nowhere}/init/bash" "${LMOD_PKG:-/nowhere}/init/bash" \
      /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh; do
      if [ -r "$init" ]; then
        . "$init"
        break
      fi
    done
  fi
  if ! type module >/dev/null 2>&1; then
    echo "this node has no environment modules" >&2
    return 1
  fi
  IFS=, read -ra names <<<"$modules"
  for name in "${names[@]}"; do
    if ! module load "$name"; then
      echo "module $name can't be loaded" >&2
      return 1
    fi
  done
}
if [ -n "$modules" ]; then
  set +eu
  load_modules
  loaded=$?
  set -eu
  if [ "$loaded" != 0 ]; then finish 92; fi
fi

# What Slurm grants a rank, in MiB: by core, or by node for the most ranks that one has.
granted=0
if [ -n "${SLURM_MEM_PER_CPU:-}" ]; then
  granted=$((SLURM_MEM_PER_CPU * ${SLURM_CPUS_PER_TASK:-1}))
elif [ -n "${SLURM_MEM_PER_NODE:-}" ]; then
  most=1
  IFS=, read -ra groups <<<"${SLURM_TASKS_PER_NODE:-$ranks}"
  for group in "${groups[@]}"; do
    if [ "${group%%(*}" -gt "$most" ]; then most=${group%%(*}; fi
  done
  granted=$((SLURM_MEM_PER_NODE / most))
fi
budget=()
if [ "$granted" -gt 0 ]; then budget=(--memory-bytes "$((granted * 1048576))"); fi
# srun doesn't take over sbatch's --cpus-per-task by itself; a rank starts as many threads.
cores=${SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK}

shared=
if [ "${SLURM_JOB_NUM_NODES:-1}" = 1 ]; then
  # One machine: ranks talk through shared memory (0.3 us; 47 us over TCP) and open no port. Its
  # files need a folder of their own: two private Slurms give jobs, and so files, the same names.
  # Copies by the other rank's memory map ("cma") need rights that containers withhold.
  shared=$(mktemp -d "${TMPDIR:-/tmp}/ligase-XXXXXXXX")
  export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader
  export OMPI_MCA_btl_vader_backing_directory=$shared
  export OMPI_MCA_btl_vader_single_copy_mechanism=none
  # A waiting rank spins; it must let others have the core, of which there may be too few.
  export OMPI_MCA_mpi_yield_when_idle=1
fi

launcher=
watcher=
forward() { if [ -n "$launcher" ]; then kill -TERM "$launcher" 2>/dev/null || true; fi; }
trap forward TERM INT

# --export=ALL: the job's own --export would otherwise reach the ranks too, and take their PATH.
srun --mpi=pmix --ntasks="$ranks" ${cores:+"$cores"} --export=ALL --kill-on-bad-exit=1 \
  nice -n 5 "$@" ${budget[@]+"${budget[@]}"} --output "$scratch" 8>&- 9>&- &
launcher=$!

# What changes in the last line of progress while the ranks get on; empty before the first one.
step() {
  local said
  said=$(tail -c 4096 -- "$folder/stdout.log" 2>/dev/null || true)
  case $said in *'{"progress":'*) ;; *) return 0 ;; esac
  said=${said##*'{"progress":'}
  printf '%s' "${said%%,'"seconds"'*}"
}

# Beside the ranks: says every BEAT that they live, and ends them when they may not go on or don't.
# The head lets another attempt begin when beats have failed to come for longer than a LEASE. Beats
# are counted, not timed: while Slurm suspends the job, nothing is missed.
watch() {
  local count=0 good last='' now_at='' quiet=0 patience code=0
  trap '' TERM INT
  good=$(uptime_ms)
  while :; do
    pause "$beat_ms"
    count=$((count + 1))
    if ! kill -0 $$ 2>/dev/null || [ -e "$folder/ended" ]; then
      code=94
    elif timeout -s KILL 5 bash -c 'printf "%s\n" "$1" >"$2"' - "$count" "$folder/heartbeat"; then
      good=$(uptime_ms)
    elif [ $(($(uptime_ms) - good)) -gt "$lease_ms" ]; then
      code=96
    fi
    now_at=$(step)
    if [ "$now_at" = "$last" ]; then quiet=$((quiet + beat_ms)); else quiet=0; fi
    last=$now_at
    # Thousands of ranks may take minutes to load; from the first line on, steps come all the time.
    patience=$stall_ms
    if [ -z "$now_at" ]; then patience=$((4 * stall_ms)); fi
    if [ "$quiet" -ge "$patience" ]; then code=95; fi
    if [ "$code" != 0 ]; then break; fi
  done
  echo "$code" >&8
  kill -TERM "$launcher" 2>/dev/null || true
  pause 3000
  kill -KILL "$launcher" 2>/dev/null || true
}
watch &
watcher=$!
disown "$watcher"

# A signal interrupts `wait`; the status counts once the launcher is gone.
while kill -0 "$launcher" 2>/dev/null; do wait "$launcher" || true; done
status=0
wait "$launcher" || status=$?
kill -KILL "$watcher" 2>/dev/null || true
if [ "$status" != 0 ] && read -rt 0 -u 8; then read -r status <&8; fi
# What is computed is published, and its end written down, though Slurm's SIGTERM reaches the commands
# that do it.
trap '' TERM INT
[ -z "$shared" ] || rm -rf "$shared"

# Without -f, ln replaces nothing. A file of equal bytes (another attempt's) is as good as ours, and
# a link whose answer got lost is ours; the second ln is there to say what went wrong.
publish() {
  sync "$scratch" || return 1
  ln -T -- "$scratch" "$final" 2>/dev/null || [ "$scratch" -ef "$final" ] ||
    cmp -s -- "$scratch" "$final" || ln -T -- "$scratch" "$final" || return 1
  if [ -e "$scratch.run.json" ]; then
    mv -fT -- "$scratch.run.json" "$final.run.json" || return 1
  fi
  sync "$(dirname -- "$final")"
}
if [ "$status" = 0 ] && ! publish; then status=91; fi
rm -f -- "$scratch" "$scratch.partial" "$scratch.run.json" "$scratch.run.json.partial"

finish "$status"
