"""Quality control of instruction records: checks, near duplicates, contamination, samples for reading."""
