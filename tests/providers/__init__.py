"""Tests of cloche.providers, which are pure: no sockets."""
