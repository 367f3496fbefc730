"""Tests of cloche.wire: what clients may say, and what reaches them."""
