"""Tests of the outbound client, over real sockets against scripted servers."""
