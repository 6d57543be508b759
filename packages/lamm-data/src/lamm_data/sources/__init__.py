"""Readers: one per annotation format, each yielding the plain values of `lamm_data.records.annotations`."""
