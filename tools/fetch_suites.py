#!/usr/bin/env python3
"""Installs the conformance suites of suites.txt into .tools/suites/, once.

A folder of packages and no virtual environment: that takes pip alone, where a virtual environment would also take
ensurepip, which some distributions leave out. Run them with `PYTHONPATH=.tools/suites python3 -S -s`, which sees
nothing else that is installed.
"""

import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = HERE / "suites.txt"
TARGET = HERE.parent / ".tools" / "suites"
# Names the requirements and the Python that the packages were taken for: others are fetched anew.
STAMP = TARGET.with_name("suites.requirements")
PYTHON_OLDEST = (3, 11)


def main():
    if sys.version_info < PYTHON_OLDEST:
        oldest = ".".join(map(str, PYTHON_OLDEST))
        sys.exit(f"error: the conformance suites need Python {oldest} or newer, and {sys.executable} is older")
    wanted = f"{platform.python_implementation()} {sys.version_info[:2]} {platform.machine()}\n"
    wanted += REQUIREMENTS.read_text()
    if TARGET.exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        sys.exit(
            f"error: {sys.executable} has no pip, which fetches the conformance suites\n"
            f"hint: {sys.executable} -m ensurepip --user (or install the package python3-pip)"
        )
    TARGET.parent.mkdir(exist_ok=True)
    STAMP.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=TARGET.parent) as folder:
        packages = pathlib.Path(folder) / "packages"
        install(packages)
        shutil.rmtree(TARGET, ignore_errors=True)
        # Renaming and stamping last, so that an interrupted run leaves nothing half done.
        packages.rename(TARGET)
    STAMP.write_text(wanted)
    print(f"fetched {TARGET.relative_to(HERE.parent)}")


def install(packages):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    fetch = ["install", "--no-user", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    where = ["--target", str(packages), "--requirement", str(REQUIREMENTS)]
    # Nothing goes into the system's own packages, so root needs no warning.
    environment = os.environ | {"PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run(pip + fetch + where, env=environment)
    if done.returncode != 0:
        sys.exit(
            "error: the conformance suites could not be fetched, see pip's message above\n"
            "hint: a network is needed the first time"
        )


if __name__ == "__main__":
    main()
