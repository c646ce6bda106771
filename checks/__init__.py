"""The built-in checks, one folder per family; installed as `doctor_checks`."""
