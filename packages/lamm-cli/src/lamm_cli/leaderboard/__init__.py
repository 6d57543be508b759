"""Scores of models side by side, as tables and files."""
