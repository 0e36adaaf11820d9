#!/usr/bin/env bash
#SBATCH --job-name=tessera
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=16
#SBATCH --exclusive
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --output=%x-%j.log
#
# One large run: all galaxies of CONFIG into one file, dealt to many MPI ranks. One rank a NUMA domain uses a node's memory
# best: --ntasks-per-node is their number (lscpu | grep 'NUMA node'), --cpus-per-task the cores of one.
#
#   sbatch --nodes=8 jobs/slurm-mpi.sh [CONFIG.json [OPTIONS OF TESSERA RUN]]
#
# 300 seconds before its time is over the run ends cleanly, with exit code 75; submitted again, also after it was killed and
# with another number of ranks, it goes on from the galaxies that were finished.
set -euo pipefail
TESSERA=${TESSERA:-tessera}                        # the program
LAUNCH=${LAUNCH:-srun --cpu-bind=ldoms}            # or: srun --mpi=pmix, mpirun; see srun --mpi=list
config=${1:-config.json}
[ $# -eq 0 ] || shift

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}} OMP_PLACES=${OMP_PLACES:-cores}
$LAUNCH "$TESSERA" run "$config" --resume "$@" &
run=$!
# srun and mpirun pass it on to all ranks.
trap 'kill -USR1 "$run" || true' USR1
# A signal that is caught ends `wait`, not the run; asked again, `wait` tells the run's own exit code.
until wait "$run" || ! kill -0 "$run" 2>/dev/null; do :; done
wait "$run" && code=0 || code=$?
exit "$code"
