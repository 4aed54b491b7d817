"""A real Slurm of two nodes on this machine: munge, the controller and two slurmd, each in name spaces of its own.

Killing the first process of a node's name space is a power failure of that node. Each node has a small disk of its own
at the same path, as nodes of a cluster have.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

PROGRAMS = (
    *("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "sinfo"),
    *("unshare", "setpriv", "nsenter", "pgrep"),
)
NODES = ("n1", "n2")
DISK_MIB = 24
PATIENCE_S = 240.0

CONFIGURATION = """\
ClusterName=mini
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={root}/run/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd-%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
GresTypes=npu
ReturnToService=2
JobRequeue=1
SlurmctldTimeout=10
SlurmdTimeout=5
MessageTimeout=5
KillWait=5
MinJobAge=3600
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
NodeName=n1 NodeHostname=n1 NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=4000 Gres=npu:ascend910b:8
NodeName=n2 NodeHostname=n2 NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=4000 Gres=npu:ascend910b:8
PartitionName=debug Nodes=ALL Default=YES State=UP
"""

NODE = """\
set -e
hostname "$1"
mount -t tmpfs -o size=${3}m,mode=1777 crosscast "$2/disk"
slurmd -D -N "$1" &
echo $! > "$2/run/slurmd-of-$1"
trap 'exit 0' TERM INT
while :; do sleep 600 & wait $!; done
"""


UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts")


def lacking() -> list[str]:
    """What a cluster needs and is not here: programs, root, and name spaces, which some containers do not allow."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if os.geteuid() != 0:
        return [*missing, "root"]
    with tempfile.TemporaryDirectory() as folder:
        words = [*UNSHARE, "mount", "-t", "tmpfs", "none", folder]
        allowed = "unshare" in missing or subprocess.run(words, capture_output=True, check=False).returncode == 0
    return missing if allowed else [*missing, "name spaces of its own"]


class MiniSlurm:
    """The cluster; `environment` is what its clients and daemons need, `disk` the folder that each node has alone."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.environment = {"SLURM_CONF": str(self.root / "slurm.conf")}
        self.disk = self.root / "disk"
        self._daemons: list[subprocess.Popen] = []
        self._nodes: dict[str, subprocess.Popen] = {}
        self._lost: set[str] = set()

    def start(self) -> None:
        """Start everything and wait until both nodes are idle."""
        self.root.chmod(0o755)
        for name in ("run", "state", "log", "disk", *(f"spool/{node}" for node in NODES)):
            (self.root / name).mkdir(parents=True)
        self._configure()
        key = self.root / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        files = {"key-file": key, "socket": "run/munge.socket", "pid-file": "run/munged.pid"}
        files |= {"log-file": "log/munged.log", "seed-file": "state/munged.seed"}
        self._daemon("munged", "--foreground", "--force", *(f"--{name}={self.root / at}" for name, at in files.items()))
        wait_for(lambda: (self.root / "run/munge.socket").exists())
        self._daemon("slurmctld", "-D", "-c", "-i")
        for node in NODES:
            self.power_on(node)
        wait_for(lambda: self.node_states() == dict.fromkeys(NODES, "idle"))

    def stop(self) -> None:
        """End everything and remove what it has written."""
        for process in (*self._nodes.values(), *self._daemons):
            process.kill()
            process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def power_on(self, node: str) -> None:
        """Start a node."""
        words = [*UNSHARE, "sh", "-c", NODE, "node", node, str(self.root), str(DISK_MIB)]
        self._nodes[node] = self._start(words)

    def power_off(self, node: str) -> None:
        """Kill all processes of a node at once."""
        process = self._nodes.pop(node)
        process.kill()
        process.wait()

    def lose_daemon(self, node: str) -> None:
        """Kill the slurmd of a node, whose jobs go on."""
        self._lost.add(node)
        for process in psutil.Process(self._nodes[node].pid).children(recursive=True):
            if process.name() == "slurmd":
                process.send_signal(signal.SIGKILL)

    def on(self, node: str, *words: str) -> str:
        """What a command prints among the files of a node; nothing of one that finds nothing, as pgrep does."""
        (first, *_) = psutil.Process(self._nodes[node].pid).children()
        inside = ("nsenter", "-t", str(first.pid), "-m", *words)
        done = subprocess.run(inside, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 or (done.returncode, done.stderr) == (1, ""), done.stderr
        return done.stdout

    def output(self, *words: str) -> str:
        """What a client prints."""
        return subprocess.run(
            words, env={**os.environ, **self.environment}, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    def node_states(self) -> dict[str, str]:
        """The state of every node, by its name."""
        done = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%N %T"],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return dict(line.split() for line in done.stdout.splitlines())

    def jobs(self) -> dict[str, str]:
        """The state of every job, by its identifier."""
        told = self.output("squeue", "-h", "-r", "-t", "all", "-o", "%i %T")
        return dict(line.split() for line in told.splitlines())

    def node_of(self, job: str) -> str:
        """The node that runs a job."""
        return self.output("squeue", "-h", "-r", "-j", job, "-o", "%N").strip()

    def heal(self) -> None:
        """Have both nodes up and nothing in the queue."""
        active = [job for job, state in self.jobs().items() if state in ("PENDING", "RUNNING", "COMPLETING")]
        if active:
            self.output("scancel", *active)
        for node in NODES:
            if node in self._lost:
                self._lost.discard(node)
                self.power_off(node)
            if node not in self._nodes:
                self.power_on(node)
        wait_for(lambda: self.node_states() == dict.fromkeys(NODES, "idle"))

    def _configure(self) -> None:
        host = socket.gethostname().partition(".")[0]
        with socket.socket() as a, socket.socket() as b, socket.socket() as c:
            for one in (a, b, c):
                one.bind(("127.0.0.1", 0))
            ports = [one.getsockname()[1] for one in (a, b, c)]
        (self.root / "slurm.conf").write_text(CONFIGURATION.format(root=self.root, host=host, ports=ports))
        for number in range(8):
            (self.root / f"npu{number}").touch()
        lines = [f"NodeName={node} Name=npu Type=ascend910b File={self.root}/npu[0-7]\n" for node in NODES]
        (self.root / "gres.conf").write_text("".join(lines))

    def _daemon(self, *words: str) -> None:
        self._daemons.append(self._start(list(words)))

    def _start(self, words: list[str]) -> subprocess.Popen:
        with (self.root / "log" / "daemons.log").open("ab") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *words],
                env={**os.environ, **self.environment},
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def wait_for(condition, patience_s: float = PATIENCE_S) -> None:
    """Return as soon as the condition holds."""
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s, "condition not met in time"
        time.sleep(0.1)
