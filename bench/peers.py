"""Installs the gateways that cloche is measured against, each into its own folder below `.cache/bench`.

Needs neither root nor system packages.  A peer that cannot be had is reported with its reason and never stops the
others.  This module must not know how peers are started.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.gateways import Gateway

PINS = "pins.json"


class CannotInstall(Exception):
    """A peer cannot be had here; the message is the reason."""


def install(peers: Iterable[Gateway]) -> dict[str, str]:
    """Installs what is missing; returns "not run" reasons by name, empty where all went well."""
    reasons = {}
    for peer in peers:
        try:
            if not installed(peer):
                print(f"installing {peer.name}: {' '.join(peer.pip + peer.npm)}", file=sys.stderr, flush=True)
                _fetch(peer)
        except CannotInstall as problem:
            reasons[peer.name] = str(problem)
    return reasons


def installed(peer: Gateway) -> bool:
    """Whether the peer is there in the pinned versions."""
    stamp = peer.folder / PINS
    return stamp.exists() and stamp.read_text() == _pins(peer) and peer.found_program() is not None


def _fetch(peer: Gateway) -> None:
    shutil.rmtree(peer.folder, ignore_errors=True)
    peer.folder.mkdir(parents=True)
    if peer.pip:
        _fetch_from_pypi(peer)
    else:
        _fetch_from_npm(peer)
    if peer.found_program() is None:
        raise CannotInstall(f"its packages hold no {peer.program}")
    (peer.folder / PINS).write_text(_pins(peer))


def _fetch_from_pypi(peer: Gateway) -> None:
    _call(sys.executable, "-m", "venv", str(peer.folder), within=peer.folder)
    # Wheels only: a peer that had to be compiled would be built differently on every machine.
    options = ("--quiet", "--disable-pip-version-check", "--only-binary", ":all:")
    _call(str(peer.folder / "bin" / "python"), "-m", "pip", "install", *options, *peer.pip, within=peer.folder)


def _fetch_from_npm(peer: Gateway) -> None:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise CannotInstall("needs node and npm")
    wanted = dict(package.rsplit("@", 1) for package in peer.npm)
    manifest = {"name": "peer", "private": True, "dependencies": wanted, "overrides": peer.overrides}
    (peer.folder / "package.json").write_text(json.dumps(manifest))
    _call(npm, "install", "--silent", "--no-audit", "--no-fund", within=peer.folder)


def _pins(peer: Gateway) -> str:
    return json.dumps([peer.pip, peer.npm, peer.overrides])


def _call(*command: str, within: Path) -> None:
    done = subprocess.run(command, cwd=within, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise CannotInstall(said[-1] if said else f"{command[0]} ended with {done.returncode}")
