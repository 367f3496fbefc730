"""The parts that must not be the slow ones: the load generator and the fake provider, in C, and their compiler."""
