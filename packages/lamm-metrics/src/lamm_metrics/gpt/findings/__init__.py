"""What the judge's verdicts say: scores, intervals, agreement, rankings."""
