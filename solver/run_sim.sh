#!/bin/bash
#SBATCH --job-name=mpi_dna_seq
#SBATCH --ntasks=2
#SBATCH --time=60
#SBATCH --no-requeue
#SBATCH --output=%x-%j.out
# Submits the solver by hand, from the folder of the data:
#   sbatch run_sim.sh sample1.parquet [option ...]
# sample1.parquet is one Parquet file, or the folder of a sealed set, or its manifest. The result is
# sample1_sim.nc beside it. Further options are the solver's (mpi_dna_seq --help lists them);
# options before run_sim.sh are sbatch's: sbatch --ntasks=8 run_sim.sh sample1.parquet
# The solver is LIGASE_SOLVER, else mpi_dna_seq on PATH (or of a module `ligase`, where there are
# modules), else the one built beside this script.
set -euo pipefail
export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"

if [ $# -lt 1 ] || [ -z "${SLURM_JOB_ID:-}" ]; then
  echo "usage: sbatch run_sim.sh sample1.parquet [option ...]" >&2
  exit 64
fi

if type module >/dev/null 2>&1; then module load ligase >/dev/null 2>&1 || true; fi

# Slurm runs a copy of this script from its spool; its record knows where the original lies.
beside() {
  local script
  script=$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/^ *Command=\(.*run_sim\.sh\).*$/\1/p')
  printf '%s/build/mpi_dna_seq' "$(dirname -- "$script")"
}
solver=${LIGASE_SOLVER:-$(command -v mpi_dna_seq || beside)}
if [ ! -x "$solver" ]; then
  echo "no solver at $solver: build it, or set LIGASE_SOLVER" >&2
  exit 66
fi

shared=
cleanup() { [ -z "$shared" ] || rm -rf -- "$shared"; }
trap cleanup EXIT
# What the user or the site has chosen stays.
if [ -z "${OMPI_MCA_btl:-}" ]; then
  nodes=${SLURM_JOB_NODELIST:-}
  addresses=$(scontrol show node --oneliner "$nodes" | grep -o ' NodeAddr=[^ ]*' | sort -u | wc -l)
  if [ "${SLURM_JOB_NUM_NODES:-1}" = 1 ]; then
    # One machine: ranks talk through shared memory, in files of this job's own. Copies by the other
    # rank's memory map need rights that containers withhold.
    shared=$(mktemp -d "${TMPDIR:-/tmp}/ligase-XXXXXXXX")
    export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader
    export OMPI_MCA_btl_vader_backing_directory=$shared
    export OMPI_MCA_btl_vader_single_copy_mechanism=none
  elif [ "$addresses" = 1 ]; then
    # Several nodes that are one machine: their shared memory would clash, and hang.
    export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo
  fi
fi

# srun doesn't take over sbatch's --cpus-per-task by itself; a rank starts as many threads.
srun --mpi=pmix --ntasks="${SLURM_NTASKS:-2}" --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
  --kill-on-bad-exit=1 "$solver" --embeddings "$@"
