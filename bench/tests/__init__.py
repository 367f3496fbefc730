"""Tests of the harness itself: that it counts what it must count, and that errors never look fast."""
