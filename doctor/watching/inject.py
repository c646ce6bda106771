"""Brings the probe into a running Python: by the interpreter's own door where it has one, else by gdb."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from doctor.watching.stalls import alive

PROBE = Path(__file__).resolve().parent / "probe"
GDB_SECONDS = 60.0
ARRIVAL_SECONDS = 30.0
_POLL_SECONDS = 0.1
_START_SECONDS = 0.5
_SCRIPT = """\
import importlib.util, os, sys, traceback
said = ""
try:
    if "doctor_probe" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "doctor_probe", {init!r}, submodule_search_locations=[{probe!r}]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules["doctor_probe"] = module
        spec.loader.exec_module(module)
    sys.modules["doctor_probe"].start({folder!r})
except BaseException:
    said = traceback.format_exc(limit=3)
with open({done!r} + ".part", "w") as file:
    file.write(said)
os.replace({done!r} + ".part", {done!r})
"""


def inject(pid: int, folder: Path) -> str | None:
    """Have a running Python start the probe in its main thread.

    Parameters
    ----------
    pid : int
    folder : Path
        The run folder, absolute.

    Returns
    -------
    str or None
        Why that failed; None where the probe has started.
    """
    script, done = folder / "inject.py", folder / f"inject-{pid}.done"
    try:
        done.unlink(missing_ok=True)
        script.write_text(
            _SCRIPT.format(init=str(PROBE / "__init__.py"), probe=str(PROBE), folder=str(folder), done=str(done)),
            "utf-8",
        )
    except OSError as error:
        return f"{script}: {error.strerror}"
    failed = _by_interpreter(pid, script)
    if failed is not None:
        failed = _by_gdb(pid, script)
    return failed or _arrived(pid, done)


def _by_interpreter(pid: int, script: Path) -> str | None:
    """Use `sys.remote_exec` (Python 3.14 on both sides)."""
    remote_exec = getattr(sys, "remote_exec", None)
    if remote_exec is None:
        return "this Python has no sys.remote_exec"
    try:
        remote_exec(pid, str(script))
    except Exception as error:
        return f"sys.remote_exec: {error}"
    return None


def _by_gdb(pid: int, script: Path) -> str | None:
    gdb = shutil.which("gdb")
    if gdb is None:
        return "gdb is not installed, and the process is older than Python 3.14"
    failed = gdb_fails(gdb)
    if failed is not None:
        return f"gdb failed on a process made to try it, so it was kept from yours: {failed}"
    code = f"exec(open({str(script)!r}).read(), {{}})".replace("\\", "\\\\").replace('"', '\\"')
    call = f'call (int)Py_AddPendingCall(&PyRun_SimpleString, "{code}")'
    return _called(gdb, pid, call, "$1 = 0")


def gdb_fails(gdb: str) -> str | None:
    """Try gdb on a process of our own; why it cannot call a function there, or None.

    On processors with tile registers gdb before version 14 cannot write back the registers of what it stopped
    ("Couldn't write extended state status"), which may break a system call that was under way.
    """
    idle = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stderr=subprocess.DEVNULL)
    try:
        time.sleep(_START_SECONDS)
        return _called(gdb, idle.pid, "call (int)getpid()", f"$1 = {idle.pid}")
    finally:
        idle.kill()
        idle.wait()


def _called(gdb: str, pid: int, call: str, answer: str) -> str | None:
    """Have gdb call a function in a process; what it said instead of the wanted answer, or None."""
    words = [gdb, "-nx", "-batch", "-p", str(pid), "-ex", "set confirm off", "-ex", call]
    try:
        done = subprocess.run(  # noqa: S603  # a program of the system, with our own words
            words, capture_output=True, text=True, timeout=GDB_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {GDB_SECONDS:.0f} s"
    if answer in done.stdout:
        return None
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip() and not line.startswith("warning")]
    return lines[-1].rstrip(".") if lines else "no answer"


def _arrived(pid: int, done: Path) -> str | None:
    """Wait until the main thread has come to run the script; it does not while it waits inside a C function."""
    until = time.monotonic() + ARRIVAL_SECONDS
    while time.monotonic() < until and alive(pid):
        if done.exists():
            said = done.read_text("utf-8").strip()
            return said.splitlines()[-1] if said else None
        time.sleep(_POLL_SECONDS)
    return f"its main thread has not come to it within {ARRIVAL_SECONDS:.0f} s"
