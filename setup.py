"""Finds the packages; a hand-kept list would let a new sub-package vanish from the wheel in silence."""

from setuptools import find_packages, setup

ROOTS = {"doctor": "doctor", "doctor_checks": "checks", "doctor_reports": "reports"}

setup(
    packages=[
        name
        for package, folder in ROOTS.items()
        for name in (package, *(f"{package}.{sub}" for sub in find_packages(folder)))
    ]
)
