"""Read what was answered: a record and a prediction in, labels, boxes or points out."""
