"""What NVIDIA's driver says of its devices; nothing where there is no driver or no `nvidia-ml-py`."""

import contextlib
from collections.abc import Callable
from typing import Any

FIELDS = (
    "used_bytes",
    "total_bytes",
    "own_bytes",  # of the watched processes; missing where process numbers are not the driver's (containers)
    "busy_share",
    "celsius",
    "slowdown_celsius",
    "shutdown_celsius",
    "watts",
    "limit_watts",
    "clock_megahertz",
    "max_clock_megahertz",
    "throttle_reasons",  # bits, see nvmlClocksThrottleReason*
    "ecc_corrected",  # errors since the driver was loaded
    "ecc_uncorrected",
    "remapped_rows",  # memory rows replaced after uncorrectable errors
    "xid",  # number of the last critical error
    "xids",  # how many there were since the watch began
    "pcie_replays",
    "pcie_width",
    "pcie_max_width",
)
"""Sampled per device, each with the prefix `gpu<number>_`."""
MAX_DEVICES = 16


class Devices:
    """All devices of this machine, through NVML."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: list[Any] = []
        self._events: Any = None
        self._xids: dict[int, tuple[int, int]] = {}
        try:
            import pynvml
        except ImportError:
            return
        try:
            pynvml.nvmlInit()
            count = min(MAX_DEVICES, pynvml.nvmlDeviceGetCount())
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(count)]
        except pynvml.NVMLError:
            return
        self._nvml = pynvml
        self._fixed = [self._unchanging(handle) for handle in self._handles]
        self._listen()

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of all that a sample may hold."""
        return tuple(f"gpu{number}_{field}" for number in range(len(self._handles)) for field in FIELDS)

    def sample(self, pids: frozenset[int]) -> dict[str, float]:
        """Return what every device says now; `pids` are the watched processes."""
        values: dict[str, float] = {}
        if self._nvml is None:
            return values
        self._hear()
        for number, handle in enumerate(self._handles):
            facts = self._fixed[number] | self._facts(handle, pids)
            last, count = self._xids.get(number, (0, 0))
            facts |= {"xids": float(count)} | ({"xid": float(last)} if count else {})
            values |= {f"gpu{number}_{name}": value for name, value in facts.items()}
        return values

    def close(self) -> None:
        """Let go of the driver."""
        if self._nvml is not None:
            with contextlib.suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
            self._nvml = None

    def _facts(self, handle: Any, pids: frozenset[int]) -> dict[str, float]:
        nvml = self._nvml
        facts = self._asked(
            celsius=lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            watts=lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
            clock_megahertz=lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
            busy_share=lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
            throttle_reasons=lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
            ecc_corrected=lambda: self._errors(handle, nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
            ecc_uncorrected=lambda: self._errors(handle, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
            remapped_rows=lambda: nvml.nvmlDeviceGetRemappedRows(handle)[1],
            pcie_replays=lambda: nvml.nvmlDeviceGetPcieReplayCounter(handle),
            pcie_width=lambda: nvml.nvmlDeviceGetCurrPcieLinkWidth(handle),
        )
        with contextlib.suppress(nvml.NVMLError):
            facts["used_bytes"] = float(nvml.nvmlDeviceGetMemoryInfo(handle).used)
        with contextlib.suppress(nvml.NVMLError):
            taken = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            if not taken or any(process.pid in pids for process in taken):
                facts["own_bytes"] = float(sum(p.usedGpuMemory or 0 for p in taken if p.pid in pids))
        return facts

    def _errors(self, handle: Any, kind: int) -> int:
        return int(self._nvml.nvmlDeviceGetTotalEccErrors(handle, kind, self._nvml.NVML_VOLATILE_ECC))

    def _unchanging(self, handle: Any) -> dict[str, float]:
        nvml = self._nvml
        threshold = nvml.nvmlDeviceGetTemperatureThreshold
        return self._asked(
            total_bytes=lambda: nvml.nvmlDeviceGetMemoryInfo(handle).total,
            slowdown_celsius=lambda: threshold(handle, nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),
            shutdown_celsius=lambda: threshold(handle, nvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN),
            limit_watts=lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,
            max_clock_megahertz=lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM),
            pcie_max_width=lambda: nvml.nvmlDeviceGetMaxPcieLinkWidth(handle),
        )

    def _asked(self, **questions: Callable[[], float]) -> dict[str, float]:
        facts = {}
        for name, question in questions.items():
            with contextlib.suppress(self._nvml.NVMLError):  # not every device answers everything
                facts[name] = float(question())
        return facts

    def _listen(self) -> None:
        nvml = self._nvml
        with contextlib.suppress(nvml.NVMLError):
            self._events = nvml.nvmlEventSetCreate()
            for handle in self._handles:
                with contextlib.suppress(nvml.NVMLError):
                    nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, self._events)

    def _hear(self) -> None:
        nvml = self._nvml
        while self._events is not None:
            try:
                event = nvml.nvmlEventSetWait_v2(self._events, 0)
                number = nvml.nvmlDeviceGetIndex(event.device)
            except nvml.NVMLError:  # nothing happened within 0 ms
                return
            self._xids[number] = (int(event.eventData), self._xids.get(number, (0, 0))[1] + 1)
