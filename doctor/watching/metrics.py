"""The newest numbers for Prometheus, as text over HTTP on the loopback address."""

import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from doctor.errors import UsageError
from doctor.model import Finding, Severity
from doctor.watching.tail import Tail

ADDRESS = "127.0.0.1"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Serves what `show` was given last.

    Parameters
    ----------
    port : int
        0 takes any free one; see `port`.

    Raises
    ------
    UsageError
        When the port cannot be had.
    """

    def __init__(self, port: int) -> None:
        self._text = ""
        metrics = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that http.server calls
                found = self.path.partition("?")[0] in ("/", "/metrics")
                body = metrics._text.encode() if found else b""
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: standard error is the user's."""

        try:
            self._server = ThreadingHTTPServer((ADDRESS, port), Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(f"--metrics-port {port}: {getattr(error, 'strerror', None) or error}") from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def show(self, tails: Sequence[Tail], sample: Mapping[str, float], findings: Sequence[Finding]) -> None:
        """Take the newest numbers."""
        self._text = exposition(tails, sample, findings)

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()


def exposition(tails: Sequence[Tail], sample: Mapping[str, float], findings: Sequence[Finding]) -> str:
    """Write numbers in the text format 0.0.4 of Prometheus.

    Parameters
    ----------
    tails : sequence of Tail
        Of each process its newest complete record, as `doctor_<field>{rank="…"}`.
    sample : mapping
        Of the machine, as `doctor_machine_<field>`.
    findings : sequence of Finding
        Counted, as `doctor_findings{severity="…"}`.
    """
    values: dict[str, list[tuple[str, float]]] = {}
    for tail in tails:
        label = f'{{rank="{int(tail.about.get("rank", 0))}",pid="{int(tail.about.get("pid", 0))}"}}'
        values.setdefault("doctor_step", []).append((label, tail.state().get("step", 0.0)))
        for record in tail.latest(1)[-1:]:
            for name, value in record.items():
                values.setdefault(f"doctor_{name}", []).append((label, value))
    for name, value in sample.items():
        values.setdefault(f"doctor_machine_{name}", []).append(("", value))
    for severity in Severity:
        count = sum(1 for finding in findings if finding.severity is severity)
        values.setdefault("doctor_findings", []).append((f'{{severity="{severity.value}"}}', float(count)))
    lines = []
    for name, samples in values.items():
        lines.append(f"# TYPE {name} gauge")
        lines += [f"{name}{label} {_number(value)}" for label, value in samples]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    if value != value:  # NaN
        return "NaN"
    if abs(value) == float("inf"):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
