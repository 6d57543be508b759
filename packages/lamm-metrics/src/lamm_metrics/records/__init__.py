"""Read what comes in: references, predictions and the tasks they belong to."""
