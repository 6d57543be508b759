"""Answers to other records, as somebody gives them who does not look."""

import random


def shuffled(records, seed):
    """The order that gives each record the answer to one of another image or room."""
    rng = random.Random(seed)
    groups = [record["group"] for record in records]
    order = list(range(len(records)))
    rng.shuffle(order)
    for place in range(len(order)):
        while groups[order[place]] == groups[place]:
            other = rng.randrange(len(order))
            order[place], order[other] = order[other], order[place]
    return order
