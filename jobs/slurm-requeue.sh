#!/usr/bin/env bash
#SBATCH --job-name=tessera
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
#
# A run, or one of an array (then as slurm-array.sh), that goes back into the queue when it is told to end: 120 seconds
# before its time is over, or by `scancel --batch --signal=USR1 JOB`. It goes on from the galaxies that were finished; parts
# of an array that are complete stay as they are.
#
#   sbatch [--array=0-99 --output=%x-%A_%a.log] jobs/slurm-requeue.sh [CONFIG.json [OPTIONS OF TESSERA RUN]]
set -euo pipefail
TESSERA=${TESSERA:-tessera}      # the program
RESTARTS=${RESTARTS:-5}          # how many times at most
config=${1:-config.json}
[ $# -eq 0 ] || shift

job=$SLURM_JOB_ID shard=()
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  # The plain id of an array's last task stands for the whole array.
  job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
  shard=(--shard auto)
fi

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}
"$TESSERA" run "$config" "${shard[@]}" --resume "$@" &
run=$!
trap 'kill -USR1 "$run" || true' USR1
# A signal that is caught ends `wait`, not the run; asked again, `wait` tells the run's own exit code.
until wait "$run" || ! kill -0 "$run" 2>/dev/null; do :; done
wait "$run" && code=0 || code=$?

if [ "$code" -eq 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "$RESTARTS" ]; then
  echo "$(basename "$TESSERA") ended early: job $job goes back into the queue"
  scontrol requeue "$job"
fi
exit "$code"
