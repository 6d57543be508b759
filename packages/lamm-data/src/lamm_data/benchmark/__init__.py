"""Benchmark records and the builder that makes them from annotations."""
