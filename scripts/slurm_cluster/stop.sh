#!/bin/bash
# Cancel all jobs of a cluster that start.sh has started, and stop its daemons: stop.sh FOLDER
# The folder remains, with the logs; delete it afterwards.
set -euo pipefail

folder=$(realpath "${1:?give the folder of the cluster: stop.sh FOLDER}")
[ -f "$folder/slurm.conf" ] || { echo "error: $folder has no slurm.conf; give the folder of start.sh" >&2; exit 1; }
export SLURM_CONF=$folder/slurm.conf

queued() { squeue --noheader --format=%A 2>/dev/null; }
timeout 10 scancel $(queued) 2>/dev/null || true
for _ in $(seq 60); do [ -n "$(queued)" ] && sleep 0.5 || break; done

for name in slurmctld slurmd munged; do # munged last: the other two need it
    pid=$(cat "$folder/$name.pid" 2>/dev/null) || continue
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ] || continue # the number may belong to another process by now
    kill "$pid"
    for _ in $(seq 40); do [ -e "/proc/$pid" ] && sleep 0.25 || break; done
    [ ! -e "/proc/$pid" ] || { echo "error: $name (process $pid) still runs" >&2; exit 1; }
done
echo "the cluster in $folder has stopped"
