"""One step: attention over packed rows, isolation, recomputation, speed."""
