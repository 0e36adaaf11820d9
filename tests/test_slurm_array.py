"""A job array under a real Slurm, of this machine alone: four shards, of which one is killed and one told to end; both go
back into the queue. Then the merged file against a run in one piece, the array once more, and MPI jobs.

Skipped (exit code 77) where Slurm's programs are missing or do not start.
"""

import ctypes
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from small_run import SmallRun, contents, differences, program

JOBS = Path(__file__).resolve().parent.parent / "jobs"
SKIP = 77
os.environ["PATH"] += ":/usr/sbin:/sbin"


class NoSlurm(Exception):
    pass


def die_with_parent():
    """In a child: SIGTERM when this test is killed (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def wait_for(what, happened, seconds=60.0):
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


class Slurm:
    """slurmctld, slurmd and munged on the loopback interface, with ports, keys and files of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.daemons = []
        for name in ("munge", "state", "spool", "log"):
            os.mkdir(f"{folder}/{name}")
        os.chmod(f"{folder}/munge", 0o700)
        self.host = socket.gethostname().split(".")[0]
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SBATCH"))}
        self.environment["SLURM_CONF"] = f"{folder}/slurm.conf"

    def __enter__(self):
        missing = [p for p in ("munged", "slurmctld", "slurmd", "sbatch", "scontrol") if not shutil.which(p)]
        if missing:
            raise NoSlurm(f"not installed: {', '.join(missing)}")
        try:
            self._munge()
            self._configure()
            self._daemon(["slurmctld", "-D", "-c"])
            self._daemon(["slurmd", "-D"])
            wait_for("the node to be idle", lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T"), 20)
        except (TimeoutError, OSError, subprocess.SubprocessError) as error:
            logs = "".join(Path(name).read_text(errors="replace")[-1000:] for name in glob.glob(f"{self.folder}/log/*"))
            self.__exit__()
            raise NoSlurm(f"does not start: {error}\n{logs}") from None
        return self

    def __exit__(self, *_):
        if len(self.daemons) > 2:
            try:
                self.ask("scancel", "--me", "--full")
                wait_for("jobs to end", lambda: not self.ask("squeue", "-h"), 10)
            except (TimeoutError, subprocess.SubprocessError):
                pass
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons.clear()

    def ask(self, *command, cwd=None, more=None):
        result = subprocess.run(list(map(str, command)), env={**self.environment, **(more or {})}, cwd=cwd,
                                capture_output=True, text=True, timeout=60)
        return (result.stdout if result.returncode == 0 else result.stderr).strip()

    def _daemon(self, command):
        log = open(f"{self.folder}/log/{command[0]}.out", "w")
        self.daemons.append(subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             cwd=self.folder, preexec_fn=die_with_parent))
        log.close()

    def _munge(self):
        munge = f"{self.folder}/munge"
        with open(os.open(f"{munge}/munge.key", os.O_WRONLY | os.O_CREAT, 0o400), "wb") as key:
            key.write(os.urandom(1024))
        self._daemon(["munged", "--foreground", "--force", f"--key-file={munge}/munge.key",
                      f"--socket={munge}/munge.socket", f"--pid-file={munge}/munged.pid",
                      f"--log-file={self.folder}/log/munged.log", f"--seed-file={munge}/munged.seed"])
        wait_for("munge", lambda: os.path.exists(f"{munge}/munge.socket"), 10)

    def _configure(self):
        ports = []
        for _ in range(2):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                ports.append(free.getsockname()[1])
        user = pwd.getpwuid(os.geteuid()).pw_name
        # Credentials that expire as soon as Slurm allows: a job is started again no earlier than that.
        with open(f"{self.folder}/slurm.conf", "w") as file:
            file.write(f"""ClusterName=tessera
SlurmctldHost={self.host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge/munge.socket,cred_expire=5
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldLogFile={self.folder}/log/slurmctld.log
SlurmdLogFile={self.folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_interval=1
ReturnToService=2
KillWait=2
MailProg=/bin/true
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
NodeName={self.host} NodeAddr=127.0.0.1 CPUs={max(2, os.cpu_count() or 1)} RealMemory=100 State=UNKNOWN
PartitionName=main Nodes={self.host} Default=YES MaxTime=INFINITE State=UP
""")

    def submit(self, *arguments, cwd, more=None):
        said = self.ask("sbatch", "--parsable", *arguments, cwd=cwd, more=more)
        if not said.isdigit():
            sys.exit(f"sbatch: {said}")
        return int(said)

    def wait(self, job, seconds=60):
        try:
            wait_for(f"job {job} to end", lambda: str(job) not in self.ask("squeue", "-h", "-o", "%F").split(), seconds)
        except TimeoutError as error:
            sys.exit(f"{error}\n{self.ask('squeue')}\n{Path(self.folder, 'log/slurmctld.log').read_text()[-3000:]}")

    def shown(self, job, key):
        """A field of a job as scontrol shows it."""
        fields = dict(f.split("=", 1) for f in self.ask("scontrol", "-o", "show", "job", job).split() if "=" in f)
        return fields.get(key, "")


# Takes the program's place. At the first start of shards 1 and 2 it halts the program as soon as that writes, so that it
# cannot be done before the test has killed it or told it to end; the program's process id is then in the file haltedI.
HALTING = """#!/bin/bash
task=${{SLURM_ARRAY_TASK_ID:-0}}
if [ "${{SLURM_RESTART_COUNT:-0}}" -gt 0 ] || [ "$task" != 1 ] && [ "$task" != 2 ] || [ -e "halted$task" ]; then
  exec {program} "$@"
fi
trap 'kill -USR1 "$run"' USR1
{program} "$@" &
run=$!
until compgen -G "cubes.shard$task.hdf5.parts/*.tmp.$run" >/dev/null || ! kill -0 "$run"; do sleep 0.01; done
kill -STOP "$run"
echo "$run" >"halted.new$task" && mv "halted.new$task" "halted$task"
until wait "$run" || ! kill -0 "$run" 2>/dev/null; do :; done
wait "$run"
"""


def launchers(slurm):
    """Ways to start MPI programs that there are here."""
    found = ["mpirun -np 2"] if shutil.which("mpirun") else []
    return found + (["srun --mpi=pmix"] if "pmix" in slurm.ask("srun", "--mpi=list").split() else [])


def run_test(slurm, folder):
    faults = []

    def check(holds, what):
        if not holds:
            faults.append(what)

    small = SmallRun(program(), folder, views=20, spaxels=16, wavelengths=400)
    small.run("run", "config.json")
    os.rename(small.path("cubes.hdf5"), small.path("whole.hdf5"))
    halting = small.path("tessera-halting")
    with open(halting, "w") as file:
        file.write(HALTING.format(program=program()))
    os.chmod(halting, 0o755)
    one_core = ("--cpus-per-task=1", "--mem=0", "--oversubscribe")

    # Shard 1 is killed, and its task sent back; shard 2 is told to end, and sends itself back.
    array = slurm.submit("--array=0-3", *one_core, "--output=log-%a", JOBS / "slurm-requeue.sh", "config.json", cwd=folder,
                         more={"TESSERA": halting})
    for task, tell in ((1, lambda pid: os.kill(pid, signal.SIGKILL)),
                       (2, lambda _: slurm.ask("scancel", "--batch", "--signal=USR1", f"{array}_2"))):
        halted = small.path(f"halted{task}")
        wait_for(f"shard {task} to be halted", lambda: os.path.exists(halted))  # noqa: B023
        check(not os.path.exists(small.path(f"cubes.shard{task}.hdf5")), f"shard {task} is there before it is complete")
        pid = int(Path(halted).read_text())
        if task == 1:
            check("hold" not in slurm.ask("scontrol", "requeue", f"{array}_1"), "cannot requeue")
        tell(pid)
        if task == 2:
            time.sleep(0.2)  # the signal passes through two shells
            os.kill(pid, signal.SIGCONT)
    slurm.wait(array)

    logs = {task: Path(small.path(f"log-{task}")).read_text() for task in range(4)}
    check("stopped early (SIGUSR1)" in logs[2], f"shard 2 did not end cleanly: {logs[2]}")
    check(f"job {array}_2 goes back" in logs[2], f"shard 2 did not go back: {logs[2]}")
    for task in (1, 2):
        check(slurm.shown(f"{array}_{task}", "Restarts") == "1", f"shard {task} was not started again: {logs[task]}")
    for task in range(4):
        check(slurm.shown(f"{array}_{task}", "JobState") == "COMPLETED", f"shard {task} did not complete: {logs[task]}")
    small.run("merge", "--output", "cubes.hdf5")
    differ = differences(contents(small.path("whole.hdf5")), contents(small.path("cubes.hdf5")))
    check(not differ, f"the merged file is another: {differ}")

    # The array once more: nothing is left to do. One shard alone, by its number.
    before = {name: os.stat(name).st_mtime_ns for name in glob.glob(small.path("cubes.shard*.hdf5"))}
    check(len(before) == 4, f"{len(before)} shards")
    again = slurm.submit("--array=0-3", *one_core, "--output=again-%a", JOBS / "slurm-array.sh", "config.json", cwd=folder,
                         more={"TESSERA": program()})
    slurm.wait(again)
    said = "".join(Path(name).read_text() for name in glob.glob(small.path("again-*")))
    check(said.count("is complete already") == 4, f"the array did it again: {said}")
    check(before == {name: os.stat(name).st_mtime_ns for name in before}, "shards were written again")
    os.remove(small.path("cubes.shard3.hdf5"))
    alone = slurm.submit("--array=3", *one_core, "--output=alone", JOBS / "slurm-array.sh", "config.json", cwd=folder,
                         more={"TESSERA": program(), "SHARDS": "4"})
    slurm.wait(alone)
    check(os.path.exists(small.path("cubes.shard3.hdf5")), f"one shard: {Path(small.path('alone')).read_text()}")

    # Two ranks, one file; and two ranks with hours of work that are told to end.
    os.remove(small.path("cubes.hdf5"))
    print("MPI jobs by", " and ".join(launchers(slurm)) or "no launcher: left out")
    for launch in launchers(slurm):
        mpi = {"TESSERA": program(), "LAUNCH": launch, "OMPI_ALLOW_RUN_AS_ROOT": "1",
               "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_hwloc_base_binding_policy": "none"}
        command = ("--nodes=1", "--ntasks-per-node=2", "--cpus-per-task=1", "--mem=0", "--output=mpi")
        small.config["view"] = small.config["view"][:20]
        small.write()
        job = slurm.submit(*command, JOBS / "slurm-mpi.sh", cwd=folder, more=mpi)
        slurm.wait(job)
        if os.path.exists(small.path("cubes.hdf5")):
            differ = differences(contents(small.path("whole.hdf5")), contents(small.path("cubes.hdf5")))
            check(differ == ["@ranks"], f"{launch}: {differ} are others than in a run of one rank")
            os.remove(small.path("cubes.hdf5"))
        else:
            check(False, f"{launch}: {Path(small.path('mpi')).read_text()}")

        small.config["view"] = small.config["view"] * 1000
        small.write()
        job = slurm.submit(*command, JOBS / "slurm-mpi.sh", cwd=folder, more=mpi)
        wait_for("two ranks to write", lambda: len(glob.glob(small.path("cubes.hdf5.parts/*.tmp.*"))) >= 2)
        slurm.ask("scancel", "--batch", "--signal=USR1", job)
        slurm.wait(job)
        said = Path(small.path("mpi")).read_text()
        check("stopped early (SIGUSR1)" in said, f"{launch}: did not end cleanly: {said}")
        check(slurm.shown(job, "ExitCode") == "75:0", f"{launch}: exit code {slurm.shown(job, 'ExitCode')}: {said}")
        check(not glob.glob(small.path("cubes.hdf5*")), f"{launch}: left a file")
    return faults


with tempfile.TemporaryDirectory(prefix="tessera-slurm-") as top:
    os.makedirs(f"{top}/slurm")
    os.makedirs(f"{top}/run")
    # Ended from outside, it still shuts Slurm down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with Slurm(f"{top}/slurm") as slurm:
            begin = time.monotonic()
            faults = run_test(slurm, f"{top}/run")
            print(f"{time.monotonic() - begin:.0f} s")
    except NoSlurm as error:
        print(f"SKIP: Slurm {error}")
        sys.exit(SKIP)
print("\n".join(faults) or "four shards under Slurm, one killed, one told to end: merged as the run in one piece")
sys.exit(1 if faults else 0)
