"""Several nodes that talk over sockets with NCCL's few default threads.

What it finds
    Launchers that start a training on several nodes over plain network sockets, as a script says by NCCL_SOCKET_IFNAME
    or NCCL_IB_DISABLE=1, and set neither NCCL_SOCKET_NTHREADS nor NCCL_NSOCKS_PERTHREAD; and products of the two above
    max_product, which NCCL does not take.

Why it matters
    One socket does not fill a fast network: NCCL's defaults are one or two threads with one socket each on most
    machines, and gradients wait for them at every step.

What to do
    export NCCL_SOCKET_NTHREADS=8 NCCL_NSOCKS_PERTHREAD=4, and measure.

Thresholds
    max_product: threads times sockets that NCCL takes (64).

Calibration
    A remark, since the gain depends on the network. python bench/config_corpora.py: nothing on what six packages ship.

Limits
    InfiniBand, RoCE and NVLink do not use sockets; where a script does not say which network there is, nothing is said.

Source
    The team's guide: 4 sockets per thread, 8 threads. NVIDIA's manual of NCCL's environment variables.
"""

from collections.abc import Iterator

from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import Setting, Setup
from doctor.evidence.setups import Setups
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/nccl-tuning",
    Severity.INFO,
    {
        "default": "{where}: {nodes} nodes talk over sockets with NCCL's default number of threads",
        "product": "{where}: NCCL_SOCKET_NTHREADS {threads} × NCCL_NSOCKS_PERTHREAD {sockets} is more than "
        "{max_product}",
    },
)
_THREADS, _SOCKETS = "NCCL_SOCKET_NTHREADS", "NCCL_NSOCKS_PERTHREAD"


def examine(setups: Setups, *, max_product: int = 64) -> Iterator[Finding | Undecided]:
    """Look at each launcher for its nodes and what it exports."""
    launched = [setup for setup in setups.setups if (setup.whole(Quantity.NODES) or 1) > 1]
    if not launched:
        yield CHECK.not_applicable("no training on several nodes is started here")
    told = set()
    for setup in launched:
        nodes = setup.get(Quantity.NODES)
        threads, sockets = setup.environment.get(_THREADS), setup.environment.get(_SOCKETS)
        if nodes is None or nodes.place in told:
            continue
        told.add(nodes.place)
        if threads is not None and sockets is not None:
            yield from _product(threads, sockets, max_product)
        elif threads is None and sockets is None and _by_socket(setup):
            yield CHECK.finding(
                "default",
                at=nodes.place.location,
                repair=Advise(safety=Safety.MANUAL, summary=f"export {_THREADS}=8 {_SOCKETS}=4, and measure"),
                where=nodes.place.short,
                nodes=nodes.whole,
            )


def _by_socket(setup: Setup) -> bool:
    disabled = setup.environment.get("NCCL_IB_DISABLE")
    if disabled is not None:
        return bool(disabled.truth)
    return "NCCL_SOCKET_IFNAME" in setup.environment and "NCCL_IB_HCA" not in setup.environment


def _product(threads: Setting, sockets: Setting, max_product: int) -> Iterator[Finding]:
    if threads.whole and sockets.whole and threads.whole * sockets.whole > max_product:
        yield CHECK.finding(
            "product",
            at=sockets.place.location,
            severity=Severity.WARNING,
            repair=Advise(safety=Safety.MANUAL, summary=f"keep their product at {max_product} or below"),
            where=sockets.place.short,
            threads=threads.whole,
            sockets=sockets.whole,
            max_product=max_product,
        )
