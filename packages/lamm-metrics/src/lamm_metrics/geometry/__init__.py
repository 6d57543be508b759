"""Arithmetic of boxes in two and three dimensions; knows no file."""
