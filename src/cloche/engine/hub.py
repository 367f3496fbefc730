"""Weights from a Hugging Face hub, through `huggingface_hub` (an extra).

That library resumes cut downloads, keeps its own cache, and reads HF_ENDPOINT and the user's token.  It is imported
when it is needed: it takes half a second, and most people never install it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from cloche.engine.catalogue import place
from cloche.engine.progress import Phase, Progress, PullFailed

SPEC = re.compile(r"hf:([^/\s]+/[^/\s]+)/(\S+\.gguf)", re.IGNORECASE)


class HubFile(msgspec.Struct, frozen=True):
    """One file of a repository: `repo` is ORG/NAME, `file` its path in there."""

    repo: str
    file: str

    @classmethod
    def parse(cls, spec: str) -> HubFile | None:
        """The file that `hf:ORG/REPO/FILE.gguf` names, or None for any other text."""
        match = SPEC.fullmatch(spec)
        return cls(match[1], match[2]) if match else None

    @property
    def label(self) -> str:
        """The source as the manifest names it."""
        return f"hf:{self.repo}/{self.file}"

    @property
    def default_name(self) -> str:
        """The file's stem in lower case."""
        return Path(self.file).stem.lower()

    @property
    def sha256(self) -> None:
        """Not known beforehand."""
        return None

    def fetch(self, folder: Path, progress: Progress) -> None:
        """Put the file, from the hub or from the library's cache, into the staging `folder`.  Raises PullFailed."""
        try:
            from huggingface_hub import hf_hub_download
        except ImportError as error:
            raise PullFailed(
                "Models from a Hugging Face hub need one more package: "
                "install cloche with its extra 'hf' (pip install '.[hf]')."
            ) from error
        progress(0, None, Phase.FETCHING)
        try:
            path = hf_hub_download(self.repo, self.file, tqdm_class=_bar(progress))
        except Exception as error:  # the edge to a library whose errors change with its HTTP client
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise PullFailed(
                f"{self.label} could not be fetched: {reason[0]} "
                "Check the name, the network, HF_ENDPOINT and, for a gated model, HF_TOKEN."
            ) from error
        place(Path(path), folder)


def _bar(progress: Progress) -> Any:  # a subclass of tqdm, which has no types
    """A progress bar of the library's kind that draws nothing and tells `progress`."""
    from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]

    class Bar(tqdm):  # type: ignore[misc, unused-ignore]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.n += int(n or 0)
            progress(self.n, self.total, Phase.FETCHING)

    return Bar
