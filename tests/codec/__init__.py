"""Tests of cloche.codec, and `cuts`, which other folders feed their streams with too."""
