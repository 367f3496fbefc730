"""Tests of the house rules: what every file of this repository must keep to."""
