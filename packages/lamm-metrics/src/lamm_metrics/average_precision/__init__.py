"""Pair boxes with the truth and draw curves of precision and recall."""
