"""Reading a sample by hand: a local page, verdicts that last, intervals, agreement, and what to write anew."""
