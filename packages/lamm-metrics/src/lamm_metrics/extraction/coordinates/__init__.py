"""Read boxes and points out of text."""
