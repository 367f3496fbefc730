"""Tests of cloche.gateway over a scripted provider and a snapshot made by hand: no sockets."""
