#!/usr/bin/env bash
# Started by mpirun or srun for every rank: shows the rank one GPU of those that are visible, in turns by its number on the
# node, and binds it to the cores next to that GPU where numactl and nvidia-smi are there.
#
#   mpirun -np 8 --map-by ppr:4:node --bind-to none jobs/bind-gpu.sh tessera run config.json
#
# Tessera takes GPUs in turns by itself; this is for the cores, and for launchers that leave all GPUs to all ranks.
set -euo pipefail
case "${1:-}" in "" | --help | -h) sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;; esac
# Under mpirun inside a Slurm job SLURM_LOCALID is 0 on all ranks: it comes last.
rank=${OMPI_COMM_WORLD_LOCAL_RANK:-${MV2_COMM_WORLD_LOCAL_RANK:-${MPI_LOCALRANKID:-${PMI_LOCAL_RANK:-${SLURM_LOCALID:-0}}}}}
if [ -z "${CUDA_VISIBLE_DEVICES+set}" ]; then
  count=$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null | wc -l) || count=0
  mapfile -t gpus < <(seq 0 $((count - 1)))
else
  IFS=, read -r -a gpus <<<"$CUDA_VISIBLE_DEVICES"
fi
[ ${#gpus[@]} -gt 0 ] || exec "$@"  # which says that it finds none
gpu=${gpus[rank % ${#gpus[@]}]}
export CUDA_VISIBLE_DEVICES=$gpu
node=-1
if command -v numactl >/dev/null && place=$(nvidia-smi --id="$gpu" --query-gpu=pci.bus_id --format=csv,noheader 2>/dev/null); then
  place=${place,,}
  node=$(cat "/sys/bus/pci/devices/${place:4}/numa_node" 2>/dev/null) || node=-1
fi
[ "$node" -ge 0 ] || exec "$@"
exec numactl --cpunodebind="$node" --preferred="$node" "$@"
