#!/usr/bin/env bash
#SBATCH --job-name=tessera
#SBATCH --array=0-9
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --output=%x-%A_%a.log
#
# A survey: the galaxies of CONFIG in as many equal parts as the array has tasks, one task a part.
#
#   sbatch --array=0-99 jobs/slurm-array.sh [CONFIG.json [OPTIONS OF TESSERA RUN]]
#   tessera merge --output cubes.hdf5                      # when all have ended; cubes.hdf5 is the CONFIG's output.path
#
# Submitted again, it observes what is missing: a part that is complete is left as it is, one that ended early or was killed
# goes on from there (to begin anew, delete the files and the directories FILE.parts). One part of N alone:
#
#   SHARDS=100 sbatch --array=7 jobs/slurm-array.sh CONFIG.json
#
# 120 seconds before its time is over a task ends cleanly, with exit code 75.
set -euo pipefail
TESSERA=${TESSERA:-tessera}      # the program
SHARDS=${SHARDS:-}               # N, where the array is not all of it
config=${1:-config.json}
[ $# -eq 0 ] || shift

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}
# In the place of this shell, so that the signal reaches it.
exec "$TESSERA" run "$config" --shard "${SHARDS:+$SLURM_ARRAY_TASK_ID/}${SHARDS:-auto}" --resume "$@"
