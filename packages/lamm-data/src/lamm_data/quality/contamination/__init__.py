"""Find records and media that benchmarks hold too."""
