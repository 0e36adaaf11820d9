#!/usr/bin/env bash
#SBATCH --job-name=tessera
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --output=%x-%j.log
#
# One large run on GPUs: a rank a GPU. --ntasks-per-node and --gpus-per-node are the GPUs of a node.
#
#   sbatch --nodes=16 jobs/slurm-gpu.sh [CONFIG.json [OPTIONS OF TESSERA RUN]]
#   LAUNCH='mpirun --map-by ppr:4:node --bind-to none' sbatch jobs/slurm-gpu.sh CONFIG.json
#
# All ranks of a node see all of its GPUs and take them in turns, so that NCCL reaches the neighbours' memory directly; where
# the site shows each task its own (srun --gpus-per-task=1 --gpu-bind=single:1) that is fine too. Ends 300 seconds before
# its time is over with exit code 75; submitted again, it goes on from the galaxies that were finished.
set -euo pipefail
TESSERA=${TESSERA:-tessera}                        # the program
LAUNCH=${LAUNCH:-srun --gpu-bind=none --cpu-bind=cores}  # or: srun --mpi=pmix ..., mpirun; see srun --mpi=list
BIND=${BIND-}                                      # jobs/bind-gpu.sh: one GPU a rank, and the cores next to it
config=${1:-config.json}
[ $# -eq 0 ] || shift

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}
$LAUNCH $BIND "$TESSERA" run "$config" --set resources.backend=cuda --resume "$@" &
run=$!
# srun and mpirun pass it on to all ranks.
trap 'kill -USR1 "$run" || true' USR1
# A signal that is caught ends `wait`, not the run; asked again, `wait` tells the run's own exit code.
until wait "$run" || ! kill -0 "$run" 2>/dev/null; do :; done
wait "$run" && code=0 || code=$?
exit "$code"
