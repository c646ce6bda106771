"""The machine under the run."""
