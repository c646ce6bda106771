"""A real Spark cluster on this machine: a master and workers, bound to loopback, started and ended by process id."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SECONDS_TO_START = 900.0
CHEAP = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData"
"""Of a virtual machine that lives for a minute."""
SUBMIT = "--conf spark.executor.memory=512m --conf spark.executor.cores=1 --driver-memory 768m pyspark-shell"


@dataclass
class Cluster:
    """A running cluster.

    Attributes
    ----------
    url : str
        As `--engine` takes it.
    processes : list of Popen
        The master first.
    """

    url: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def kill_workers(self) -> None:
        """End the workers, and with them their executors, without a word to the master."""
        for worker in self.processes[1:]:
            executors = _children(worker.pid)
            worker.kill()
            worker.wait()
            for executor in executors:
                _kill(executor)

    def stop(self) -> None:
        """End all that was started."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextmanager
def cluster(folder: Path, *, workers: int = 2) -> Iterator[Cluster]:
    """Run a master and workers of one core and 600 MB each until the end of the block."""
    port = _free_port()
    running = Cluster(url=f"spark://127.0.0.1:{port}", folder=folder)
    try:
        running.processes.append(
            _started(folder / "master", "master.Master", "--host", "127.0.0.1", "--port", str(port))
        )
        _await(lambda: _answers(port), running.processes[-1], folder / "master")
        for number in range(workers):
            place = folder / f"worker-{number}"
            options = ("--host", "127.0.0.1", "--cores", "1", "--memory", "600m", "--work-dir", str(place), running.url)
            running.processes.append(_started(place, "worker.Worker", *options))
        for number, worker in enumerate(running.processes[1:]):
            place = folder / f"worker-{number}"
            _await(lambda place=place: "registered with master" in _log(place).lower(), worker, place)  # type: ignore[misc]
        yield running
    finally:
        running.stop()


def _started(place: Path, name: str, *options: str) -> subprocess.Popen[bytes]:
    import pyspark

    place.mkdir(parents=True, exist_ok=True)
    home = Path(pyspark.__file__).parent
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": "-Dspark.master.rest.enabled=false -Dspark.ui.enabled=false",
        "JAVA_TOOL_OPTIONS": CHEAP,
        "PYSPARK_PYTHON": sys.executable,
    }
    with (place / "log").open("wb") as log:
        return subprocess.Popen(
            [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", "--webui-port", "0", *options],
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


def _await(ready: object, process: subprocess.Popen[bytes], place: Path) -> None:
    assert callable(ready)
    end = time.monotonic() + SECONDS_TO_START
    while not ready():
        assert process.poll() is None, _log(place)
        assert time.monotonic() < end, _log(place)
        time.sleep(0.1)


def _log(place: Path) -> str:
    return (place / "log").read_text("utf-8", "replace")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in listed for child in re.findall(r"\d+", file.read_text("utf-8"))]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return
