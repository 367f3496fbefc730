"""Compiles the C parts when they are missing or stale: with the machine's compiler, or with zig from PyPI.

Nothing here may decide how they are used.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from bench.gateways import PEERS

SOURCES = Path(__file__).parent
BUILT = SOURCES.parent / ".build"
ZIG = "ziglang==0.16.0"


def built(name: str) -> Path:
    """The program made from `name`.c; compiles it first where needed.  Raises CalledProcessError with its output."""
    source, program = SOURCES / f"{name}.c", BUILT / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BUILT.mkdir(exist_ok=True)
        subprocess.run([*_compiler(), "-O2", "-o", str(program), str(source)], check=True)
    return program


def _compiler() -> list[str]:
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    python = PEERS / "zig" / "bin" / "python"
    if not python.exists():
        print(f"no C compiler here: installing {ZIG}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", ZIG], check=True)
    return [str(python), "-m", "ziglang", "cc"]
