"""Watching a training run: the probe inside it, the recorder between, the monitor beside it.

Three parts that fail separately. `probe/` runs inside the training process, loaded by path under the name
`doctor_probe`, with the standard library and torch alone; it writes `RUN/<host>-<pid>.*` files. The monitor is the
process that the user started (`doctor watch`); it samples the machine into `RUN/machine.samples.ring`, opens the run
folder as a `doctor.subjects.run.Run` every few seconds and has the runtime checks judge it, exactly as `doctor autopsy`
does later. Its death does not touch the training.

The run folder:

- `run.json` what was started, where and when (written once, by the launcher);
- `<host>-<pid>.steps.ring` one record per optimizer step, and the state (phase, step in progress);
- `<host>-<pid>.gradients.ring` one record per step of gradient norms, a field per parameter tensor or module;
- `<host>-<pid>.events.jsonl` what happened once: see `doctor.evidence.incidents`;
- `<host>-<pid>.stacks.txt` what faulthandler wrote at a fatal signal or on request;
- `<host>-<pid>.{updates,weights,activations,zero_gradients,collectives}.ring` other quantities, at some steps;
- `machine.samples.ring` one record per second of host and device facts, written by the monitor;
- `control` one page by which the monitor asks the probe for something (pause, resume, stop, checkpoint, census);
- `end.json` how the command ended, written by the monitor;
- `diagnosis.json`, `report.html`; `capsule/` reproduces a bad step.
"""
