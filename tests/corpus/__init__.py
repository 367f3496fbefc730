"""Replays of recorded traffic of real providers through the real stack."""
