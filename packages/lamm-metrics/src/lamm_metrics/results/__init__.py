"""What comes out: scores, samples, reports."""
