"""Starts Spark, on this machine or as the driver of a cluster, quietly and within a bounded time, and ends it."""

import logging
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from doctor.errors import DoctorError, UsageError
from doctor.subjects.spark_dialect import HASH, READ_TIME, TEXT

LOCAL = "spark"
SCHEME = "spark://"
MIN_JAVA = 17
SECONDS_TO_ANSWER = 10.0
"""In which a cluster's master must take a connection."""
SECONDS_TO_START = 300.0
"""In which Spark must be up; 10 s are usual."""
SECONDS_TO_LEND = 120.0
"""In which a cluster must lend its first executor."""
SECONDS_TO_END = 10.0
FEW_ROWS = 100_000
SOURCE = Path(__file__).with_name("duckdb_functions.java")
QUIET = """\
status = off
rootLogger.level = error
rootLogger.appenderRef.file.ref = file
appender.file.type = File
appender.file.name = file
appender.file.fileName = {file}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %c: %m%n%ex{{short}}
"""


class Session:
    """A running Spark with what we need in it, set up for tables of at most so many rows.

    Attributes
    ----------
    spark : pyspark.sql.SparkSession
        Of our own: its settings and views are nobody else's.
    local : bool
        Whether it runs on this machine alone.
    """

    spark: Any
    local: bool

    def __init__(self, engine: str, *, rows: int, memory_limit: str | None = None, threads: int | None = None) -> None:
        _needed()
        self.engine = engine
        self.folder = Path(tempfile.mkdtemp(prefix="doctor-spark-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._gateway: Any = None
        logging.getLogger().addFilter(_not_of_py4j)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of libraries newer than Spark was tried with
                self._begin(rows, memory_limit, threads)
        except BaseException:
            self.close(now=True)
            raise

    def _begin(self, rows: int, memory_limit: str | None, threads: int | None) -> None:
        from pyspark.logger import PySparkLogger

        PySparkLogger.getLogger("SQLQueryContextLogger").disabled = True  # prints what is raised as well
        context = self._running() or self._started(rows, memory_limit, threads)
        self.local = str(context.master).startswith("local")
        self.spark = _session_of(context)
        if not self.local:
            self._await_executors(context)
        _set_up(self.spark, max(1, int(context.defaultParallelism)), rows)
        _add_functions(self.spark)

    def _running(self) -> Any:
        """Return the context that the program itself has started, if it is on the same cluster."""
        from pyspark import SparkContext

        context = SparkContext._active_spark_context
        if context is None:
            return None
        master = str(context.master)
        if not (master.startswith("local") if self.engine == LOCAL else master == self.engine):
            raise UsageError(f"engine {self.engine}: this program runs Spark at {master} already; stop that one first")
        return context

    def _started(self, rows: int, memory_limit: str | None, threads: int | None) -> Any:
        from pyspark import SparkConf, SparkContext
        from pyspark.java_gateway import launch_gateway

        master = f"local[{threads or '*'}]" if self.engine == LOCAL else self.engine
        settings = {"spark.master": master, "spark.app.name": "doctor", "spark.ui.enabled": "false"}
        settings["spark.ui.showConsoleProgress"] = "false"
        if self.engine == LOCAL or _loops_back(self.engine):
            settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        if rows <= FEW_ROWS:
            settings["spark.driver.extraJavaOptions"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
        if memory_limit:
            size = _java_size(memory_limit)
            settings["spark.driver.memory" if self.engine == LOCAL else "spark.executor.memory"] = size
        if self.engine != LOCAL:
            _see_that_it_answers(self.engine)
        port, secret = self._launch(settings)
        handler = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
        with _in_environment(PYSPARK_GATEWAY_PORT=str(port), PYSPARK_GATEWAY_SECRET=secret), _ended_late(self):
            self._gateway = launch_gateway(SparkConf(loadDefaults=False))
            context = SparkContext(gateway=self._gateway, conf=SparkConf(_jvm=self._gateway.jvm))
        if handler is not None:  # Spark hears Ctrl-C in its own way, in which the statement at work goes on
            signal.signal(signal.SIGINT, handler)
        return context

    def _launch(self, settings: dict[str, str]) -> tuple[int, str]:
        """Start the virtual machine with its words kept from the user's terminal and Ctrl-C kept from it."""
        from pyspark.find_spark_home import _find_spark_home
        from pyspark.serializers import UTF8Deserializer, read_int

        log, told = self.folder / "log4j2.properties", self.folder / "connection"
        log.write_text(QUIET.format(file=self.folder / "spark.log"), "utf-8")
        options = settings.get("spark.driver.extraJavaOptions", "")
        ours = f"-Dlog4j2.configurationFile={log.as_uri()} -Djava.io.tmpdir={self.folder} -XX:-UsePerfData"
        settings["spark.driver.extraJavaOptions"] = f"{ours} {options}".strip()
        settings["spark.local.dir"] = str(self.folder)
        settings["spark.sql.warehouse.dir"] = (self.folder / "warehouse").as_uri()
        given = [word for pair in settings.items() for word in ("--conf", "=".join(pair))]
        own = shlex.split(os.environ.get("PYSPARK_SUBMIT_ARGS", "pyspark-shell"))
        script = "spark-submit.cmd" if os.name == "nt" else "spark-submit"
        command = [str(Path(_find_spark_home()) / "bin" / script), *given, *own]
        with (self.folder / "spark.out").open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603  # the script of the installed pyspark
                command,
                stdin=subprocess.PIPE,  # which ends Spark when we end, however that comes
                stdout=out,
                stderr=out,
                env={**os.environ, "_PYSPARK_DRIVER_CONN_INFO_PATH": str(told)},
                start_new_session=True,
            )
        end = time.monotonic() + SECONDS_TO_START
        while not told.exists():
            if self._process.poll() is not None or time.monotonic() > end:
                raise DoctorError(f"Spark does not start: {self._last_words()}")
            time.sleep(0.05)
        with told.open("rb") as file:
            return read_int(file), UTF8Deserializer().loads(file)

    def _last_words(self) -> str:
        """Return the line in which Spark said why, as far as it did."""
        lines: list[str] = []
        for name in ("spark.out", "spark.log"):
            with suppress(OSError):
                lines += (self.folder / name).read_text("utf-8", "replace").splitlines()
        telling = [line for line in lines if re.search(r"Exception|Error|error:|Caused by", line)]
        return " ".join((telling or lines or ["it says nothing"])[-1].split())[:300]

    def _await_executors(self, context: Any) -> None:
        end = time.monotonic() + SECONDS_TO_LEND
        while not executors(context):
            if time.monotonic() > end:
                raise DoctorError(
                    f"{self.engine}: the cluster lends no executor (waited {SECONDS_TO_LEND:.0f} s): is there a worker "
                    "with a free core and enough memory that reaches this machine?"
                )
            time.sleep(0.2)

    @property
    def alive(self) -> bool:
        """Whether the virtual machine still runs; one that is not ours is taken to."""
        return self._process is None or self._process.poll() is None

    def close(self, *, now: bool = False) -> None:
        """End Spark, if it is ours; `now` without waiting for it to tidy up."""
        from pyspark import SparkContext

        process, self._process = self._process, None
        if process is not None:
            context = SparkContext._active_spark_context
            if context is not None and not now and process.poll() is None:
                stopping = threading.Thread(target=_stop, args=(context,), daemon=True)
                stopping.start()
                stopping.join(SECONDS_TO_END)
            _end(process, now=now)
            with suppress(Exception):
                context._accumulatorServer.shutdown()  # type: ignore[union-attr]  # of none there is nothing to end
            if self._gateway is not None:
                with suppress(Exception):
                    self._gateway.shutdown()
            SparkContext._active_spark_context = None
            SparkContext._gateway = None
            SparkContext._jvm = None
            _forget_session()
        logging.getLogger().removeFilter(_not_of_py4j)
        shutil.rmtree(self.folder, ignore_errors=True)


def _not_of_py4j(record: logging.LogRecord) -> bool:
    """Leave out what py4j says in the root logger of a connection that broke: we say it in our words."""
    return "py4j" not in record.pathname


def executors(context: Any) -> int:
    """Count the executors that a cluster has lent."""
    return len(context._jsc.sc().statusTracker().getExecutorInfos()) - 1


def _needed() -> None:
    """See that pyspark and Java are there.

    Raises
    ------
    UsageError
        Which says what to install.
    """
    if find_spec("pyspark") is None:
        raise UsageError("engine spark needs pyspark: pip install 'training-doctor[spark]'")
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    wanted = f"install version {MIN_JAVA} or newer (Debian: apt-get install openjdk-{MIN_JAVA}-jre-headless)"
    if java is None:
        place = f"JAVA_HOME, {home}, holds none" if home else "none is found"
        raise UsageError(f"engine spark needs Java, and {place}; {wanted}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603  # found above
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if found and int(found[1]) < MIN_JAVA:
        raise UsageError(f"engine spark needs a newer Java than {found[1]} ({java}); {wanted}")


def _see_that_it_answers(engine: str) -> None:
    """Look whether one of the masters takes a connection, since Spark itself would try for minutes.

    Raises
    ------
    UsageError
        When none does.
    """
    said = ""
    for address in engine.removeprefix(SCHEME).split(","):
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER):
                return
        except (OSError, OverflowError) as error:
            said = getattr(error, "strerror", None) or str(error) or "it does not answer"
    raise UsageError(f"engine {engine}: no Spark cluster there: {said}")


def _loops_back(engine: str) -> bool:
    hosts = [address.rpartition(":")[0] for address in engine.removeprefix(SCHEME).split(",")]
    return all(host == "localhost" or host.startswith("127.") for host in hosts)


def _java_size(size: str) -> str:
    """Write a size such as 1.5GB in whole megabytes.

    Raises
    ------
    UsageError
        When it is none.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", size.lower())
    if not found:
        raise UsageError(f"memory-limit: {size!r} is no size, such as 500MB or 4GB")
    return f"{max(1, round(float(found[1]) * 1024 ** ' kmgt'.index(found[2] or ' ') / 1024**2))}m"


@contextmanager
def _in_environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _ended_late(session: Session) -> Iterator[None]:
    """End a start that takes too long: what answers at an address need not be a Spark master."""
    late = threading.Event()

    def end() -> None:
        late.set()
        if session._process is not None:
            session._process.kill()

    watch = threading.Timer(SECONDS_TO_START, end)
    watch.daemon = True
    watch.start()
    try:
        yield
    except Exception as error:
        if isinstance(error, DoctorError):
            raise
        why = f"no answer in {SECONDS_TO_START:.0f} s" if late.is_set() else session._last_words()
        raise DoctorError(f"engine {session.engine}: Spark does not start: {why}") from error
    finally:
        watch.cancel()


def _session_of(context: Any) -> Any:
    """Return a new session, whose settings and views are its own."""
    from pyspark.sql import SparkSession

    return SparkSession(context).newSession()


def _forget_session() -> None:
    from pyspark.sql import SparkSession

    SparkSession._instantiatedSession = None
    with suppress(AttributeError):
        SparkSession._activeSession = None


def _set_up(spark: Any, cores: int, rows: int) -> None:
    """Make the session compute as the embedded engine does, and not prepare for more rows than there are."""
    settings = {
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.caseSensitive": "false",
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    }
    if rows <= FEW_ROWS:
        # To compile a statement and to plan it anew while it runs takes longer here than to run it.
        settings |= {
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.shuffle.partitions": "1",
        }
    elif spark.conf.get("spark.sql.shuffle.partitions") == "200":  # nobody has chosen
        settings["spark.sql.shuffle.partitions"] = str(2 * cores)
    for name, value in settings.items():
        spark.conf.set(name, value)


def _add_functions(spark: Any) -> None:
    """Compile our functions in the virtual machine, and send them to wherever statements are run."""
    from pyspark.sql.types import DecimalType, StringType, TimestampNTZType

    jvm, context = spark._jvm, spark.sparkContext
    threads = jvm.java.lang.Thread
    compiler = jvm.org.codehaus.janino.SimpleCompiler()
    compiler.setParentClassLoader(threads.currentThread().getContextClassLoader())
    compiler.cook(SOURCE.read_text("utf-8"))
    jar = Path(context._temp_dir) / "doctor-functions.jar"  # lives as long as Spark, which another may have started
    if not jar.exists():
        codes = compiler.getBytecodes()
        with zipfile.ZipFile(jar, "w") as archive:
            for name in codes.keySet():
                archive.writestr(name.replace(".", "/") + ".class", bytes(codes.get(name)))
        context._jsc.addJar(str(jar))
    loader = compiler.getClassLoader()
    for name, made, kind in (
        (HASH, "Hash", DecimalType(20, 0)),
        (TEXT, "Text", StringType()),
        (READ_TIME, "ReadTime", TimestampNTZType()),
    ):
        function = (
            loader.loadClass(f"doctor.Functions${made}")
            .getConstructor(context._gateway.new_array(jvm.java.lang.Class, 0))
            .newInstance(context._gateway.new_array(jvm.java.lang.Object, 0))
        )
        java_type = spark._jsparkSession.parseDataType(kind.json())
        spark._jsparkSession.udf().register(name, function, java_type)


def _stop(context: Any) -> None:
    with suppress(Exception):
        context.stop()


def _end(process: "subprocess.Popen[bytes]", *, now: bool) -> None:
    """Let the virtual machine end by the end of its input, else end it."""
    if now:
        process.kill()
    with suppress(OSError):
        if process.stdin:
            process.stdin.close()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def work_with_this_python(spark: Any) -> None:
    """Let the machines do our work with the Python that asks for it, unless the user named another.

    Else it would be whatever `python3` means there; who lacks it says so, and what asks does the work itself.
    """
    if "PYSPARK_PYTHON" not in os.environ:
        spark.sparkContext.pythonExec = sys.executable
