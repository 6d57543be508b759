"""`lamm benchmark`: build the benchmark, let models answer it, score and report, resumable at every stage."""
