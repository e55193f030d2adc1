"""An environment with the peers, on top of the one that runs this: `python -m
benchmarks.peers.install FOLDER`.

It sees all packages of that environment, and adds to them what `requirements.txt` here names. A
peer that does not install is named, and the others are there all the same; with no network none is.
"""

import argparse
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def wanted(text: str) -> Iterator[tuple[str, list[str]]]:
    """Name and version of each peer, and its options for pip."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words:
            yield words[0], words[1:]


def make(folder: Path) -> Path:
    """The Python of the environment, made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    of_peers = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    below = Path(of_peers) / "below.pth"
    below.write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return python


def installs(python: Path, requirement: str, options: list[str]) -> bool:
    """Whether pip installs it, or it is there."""
    pip = [python, "-m", "pip", "--retries", "0", "--timeout", "10", "install", "--quiet"]
    held = ["--disable-pip-version-check", "--constraint", ROOT / "constraints.txt"]
    done = subprocess.run(
        [*pip, *held, *options, requirement], check=False, capture_output=True, text=True
    )
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    python = make(parser.parse_args().folder)
    for requirement, options in wanted(REQUIREMENTS.read_text(encoding="utf-8")):
        is_there = installs(python, requirement, options)
        print(f"{requirement}: {'installed' if is_there else 'does not install'}", flush=True)


if __name__ == "__main__":
    main()
