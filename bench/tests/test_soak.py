"""The soak: what it counts, and when it says that something is missing."""

from __future__ import annotations

import msgspec

from bench import soak
from bench.processes import all_cores


def test_every_call_has_its_rows() -> None:
    """A short soak finds each call that it made in both tables, and one row less would be told."""
    made = soak.run(soak.Plan(minutes=0.03, rate=40, parts=2, cores=all_cores()))
    assert made.complete, soak.markdown(made)
    assert made.sent > 40
    assert [part.descriptors > 0 and part.rss_mib > part.pss_mib for part in made.parts] == [True, True]
    lost = msgspec.structs.replace(made, payload_rows=made.payload_rows - 1)
    assert not lost.complete
    assert "THE COUNTS DIFFER" in soak.markdown(lost)
