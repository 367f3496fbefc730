"""Tests of cloche.domain."""
