"""A Slurm of one node on this machine, for as long as a test wants it."""

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

SCRIPT = Path(__file__).with_name("cluster.sh")
DAEMONS = os.environ["PATH"] + ":/usr/sbin:/sbin"
MISSING = [
    name
    for name in ("slurmctld", "slurmd", "sbatch", "munged", "mungekey")
    if shutil.which(name, path=DAEMONS) is None
]
REASON = f"no {', '.join(MISSING)}; Debian's packages are slurmctld slurmd slurm-client munge"


@contextmanager
def loopback():
    """Start a Slurm and stop it in the end.

    Gives its folder and the variables of the environment by which `sbatch` and the others find it.
    """
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))  # sockets want short paths
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(str(probe.getsockname()[1]))
    options = {"CONTROL_PORT": ports[0], "NODE_PORT": ports[1], "CPUS": "8", "MEM_MB": "32000"}
    started = subprocess.run(
        ["bash", SCRIPT, "start", folder], env=os.environ | options, capture_output=True, text=True
    )
    if started.returncode:
        raise RuntimeError(started.stderr)
    try:
        yield (
            folder,
            {
                "SLURM_CONF": str(folder / "slurm.conf"),
                "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            },
        )
    finally:
        subprocess.run(["bash", SCRIPT, "stop", folder], check=True, capture_output=True)
