"""What watches a run: guards, averaging, evaluation, trackers, the plot."""
