"""Renderers, one module per format, each with a function `render(report, *, color)`; installed as `doctor_reports`."""
