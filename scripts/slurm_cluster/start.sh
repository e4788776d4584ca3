#!/bin/bash
# Start a Slurm cluster of one node, this machine, for trials: start.sh FOLDER
#
# Debian and Ubuntu: apt-get install slurm-wlm munge. The daemons (munged, slurmctld, slurmd) run as the current user and
# need neither systemd nor control groups. The configuration, the key, the logs and the process numbers are written to
# FOLDER, which must not exist yet. Afterwards:
#
#   source FOLDER/env      so that sbatch, squeue, scancel and ptycho-sweep find the cluster
#   stop.sh FOLDER         cancel all jobs and stop the daemons
#
# Each task may use the memory that its job asks for (--mem, or mem_gb of submitit; 2048 MB if a job asks for none). Usage
# is sampled every MEMORY_SAMPLE_S seconds (5), and a job that exceeds its memory is killed. CPUS and PORT set the number
# of processors that the node offers (those of the machine) and the first of the two ports (26817).
set -euo pipefail

folder=$(realpath -m "${1:?give the folder of the cluster: start.sh FOLDER}")
[ ! -e "$folder" ] || { echo "error: $folder exists; choose a folder that does not exist" >&2; exit 1; }
for program in munged slurmctld slurmd sbatch; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || {
        echo "error: $program is not installed; on Debian: apt-get install slurm-wlm munge" >&2; exit 1; }
done
PATH=$PATH:/usr/sbin
host=$(hostname -s) port=${PORT:-26817} cpus=${CPUS:-$(nproc)}
memory_mb=$(($(awk '/^MemTotal/ {print $2}' /proc/meminfo) / 1024 * 9 / 10))

mkdir -p "$folder"/{munge,state,spool,log}
chmod 755 "$folder"
chmod 700 "$folder/munge"
dd if=/dev/urandom of="$folder/munge/key" bs=128 count=1 status=none
chmod 600 "$folder/munge/key"

cat >"$folder/slurm.conf" <<CONFIGURATION
ClusterName=trial
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
# no control groups: processes are found by their parents, and their memory is sampled
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=${MEMORY_SAMPLE_S:-5}
JobAcctGatherParams=OverMemoryKill
MpiDefault=none
# processors and memory are counted, and two jobs can share the node
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerNode=2048
SchedulerParameters=sched_interval=2,batch_sched_delay=1
SlurmdParameters=config_overrides
KillWait=10
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory_mb State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONFIGURATION
echo "export SLURM_CONF=$folder/slurm.conf" >"$folder/env"

export SLURM_CONF=$folder/slurm.conf
munged --force --key-file="$folder/munge/key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/log/munged.log" --seed-file="$folder/munge/seed"
slurmctld
slurmd
for _ in $(seq 60); do
    if [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; then
        echo "the cluster of $host runs: $cpus processors, $memory_mb MB; next: source $folder/env"
        exit 0
    fi
    sleep 0.5
done
echo "error: the node did not come up within 30 s; see $folder/log" >&2
exit 1
