#!/usr/bin/env bash
# cluster.sh start|stop FOLDER    a Slurm of one node on loopback, for tests; . FOLDER/env.sh uses it
# No systemd, no root, no accounting; own keys, ports and folder, so that a Slurm of the machine is
# left alone. Needs slurmctld, slurmd, slurm-client and munge (as Debian has them).
# CPUS and MEM_MB may exceed what the machine has; GPUS are pretended (device nodes like /dev/null).
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
W=$(realpath -m "$2")
export SLURM_CONF=$W/slurm.conf
HOST=$(hostname -s) ME=$(id -un)

is_running() { # pid file, program: the file's process is that program, and no zombie
  local pid; pid=$(cat "$W/$1.pid" 2>/dev/null) || return 1
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] && ! grep -q '^State:.*Z' "/proc/$pid/status"
}

stop() {
  if is_running slurmctld; then
    scancel --user "$ME" || true
    for _ in $(seq 50); do [ -z "$(squeue -h)" ] && break; sleep 0.1; done
  fi
  for program in slurmd slurmctld munged; do
    is_running $program || continue
    kill "$(cat "$W/$program.pid")"
    for _ in $(seq 100); do is_running $program || break; sleep 0.1; done
    is_running $program && kill -KILL "$(cat "$W/$program.pid")"
  done
  rm -rf "${W:?}"
}

start() {
  mkdir -p "$W"/{spool,state,bin,gpu}
  chmod 755 "$W"
  mungekey --create --keyfile="$W/key"
  munged --key-file="$W/key" --socket="$W/munge" --pid-file="$W/munged.pid" \
    --log-file="$W/munged.log" --seed-file="$W/seed"

  gres= gpus=
  if [ "${GPUS:-1}" -gt 0 ]; then
    for n in $(seq "${GPUS:-1}"); do
      # Slurm wants a device node; where none can be made, one that is there will do once.
      mknod -m 666 "$W/gpu/$n" c 1 3 2>/dev/null && gpus+=",$W/gpu/$n" || gpus=",/dev/null"
    done
    gres="Gres=gpu:$(tr -cd , <<<"$gpus" | wc -c)"
    echo "NodeName=$HOST Name=gpu File=${gpus#,}" > "$W/gres.conf"
  fi
  # Without this the daemons listen on every interface; it works where the name leads to loopback.
  case "$(getent ahostsv4 "$HOST" | head -1)" in
    127.*) bind="CommunicationParameters=NoCtldInAddrAny,NoInAddrAny" ;;
    *) bind= ;;
  esac
  printf 'CgroupPlugin=autodetect\n' > "$W/cgroup.conf"
  : > "$W/plugstack.conf"
  cat > "$W/slurm.conf" <<C
ClusterName=loopback
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=$ME
SlurmdUser=$ME
SlurmctldPort=${CONTROL_PORT:-16817}
SlurmdPort=${NODE_PORT:-16818}
$bind
AuthType=auth/munge
AuthInfo=socket=$W/munge
CredType=cred/munge
PlugStackConfig=$W/plugstack.conf
StateSaveLocation=$W/state
SlurmdSpoolDir=$W/spool
SlurmctldPidFile=$W/slurmctld.pid
SlurmdPidFile=$W/slurmd.pid
SlurmctldLogFile=$W/slurmctld.log
SlurmdLogFile=$W/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PropagateResourceLimits=NONE
ReturnToService=2
MinJobAge=3600
KillWait=5
SchedulerParameters=sched_interval=5,bf_interval=5
DefMemPerCPU=500
GresTypes=gpu
NodeName=$HOST NodeHostname=$HOST NodeAddr=127.0.0.1 CPUs=${CPUS:-8} RealMemory=${MEM_MB:-8000} $gres State=UNKNOWN
PartitionName=main Nodes=$HOST Default=YES MaxTime=1-00:00:00 State=UP
C
  cat > "$W/env.sh" <<E
export SLURM_CONF=$W/slurm.conf PATH=$W/bin:\$PATH
E
  # Snakemake's job step drops SLURM_CONF before it calls srun.
  cat > "$W/bin/srun" <<E
#!/bin/sh
SLURM_CONF=$W/slurm.conf exec /usr/bin/srun "\$@"
E
  chmod 755 "$W/bin/srun"

  slurmctld -f "$W/slurm.conf" -c
  slurmd -f "$W/slurm.conf"
  for _ in $(seq 150); do
    [ "$(timeout 5 sinfo -h -N -o %T 2>/dev/null)" = idle ] && return
    sleep 0.2
  done
  tail -5 "$W"/*.log >&2
  stop
  echo "cluster.sh: the node is not idle after 30 s" >&2
  exit 1
}

"$1"
