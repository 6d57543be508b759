"""The best assignment: every row gets a column of its own so that the values add up to the most.

Shortest augmenting paths (Jonker and Volgenant 1987, in the rectangular form of Crouse 2016). Of equally good
assignments it returns the one that `scipy.optimize.linear_sum_assignment` returns, because published scores hang on it:
nodes are looked at from the last column to the first, and of equally near ones a free column is taken.
"""

import numpy as np

from lamm_metrics.average_precision.pairs import Floats, Indices


def best_assignment(values: Floats) -> tuple[Indices, Indices]:
    """Return rows and columns of the assignment with the largest sum, the rows rising, [min(rows, columns)] each.

    Args:
        values: Finite numbers, [rows, columns].

    >>> rows, columns = best_assignment(np.array([[0.9, 0.8], [0.8, 0.1]]))
    >>> columns.tolist()
    [1, 0]
    """
    if not values.size:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    if values.shape[0] <= values.shape[1]:
        columns = _columns_of_rows(-values)
        return np.arange(len(columns)), columns
    rows = _columns_of_rows(-values.T)
    order = np.argsort(rows, kind="stable")
    return rows[order], order


def _columns_of_rows(cost: Floats) -> Indices:
    """Return the column of each row of the cheapest assignment; there are at least as many columns as rows."""
    n_rows, n_columns = cost.shape
    row_price, column_price = np.zeros(n_rows), np.zeros(n_columns)
    column_of, row_of = np.full(n_rows, -1, np.intp), np.full(n_columns, -1, np.intp)
    for start in range(n_rows):
        path = np.full(n_columns, -1, np.intp)
        shortest = np.full(n_columns, np.inf)
        remaining = np.arange(n_columns)[::-1].copy()
        seen_rows, seen_columns = [], []
        lowest, row, sink = 0.0, start, -1
        while sink < 0:
            seen_rows.append(row)
            reach = lowest + cost[row, remaining] - row_price[row] - column_price[remaining]
            nearer = reach < shortest[remaining]
            path[remaining[nearer]] = row
            shortest[remaining[nearer]] = reach[nearer]
            lowest = float(shortest[remaining].min())
            tied = np.flatnonzero(shortest[remaining] == lowest)
            free = tied[row_of[remaining[tied]] < 0]
            place = int(free[-1] if len(free) else tied[0])
            column = int(remaining[place])
            seen_columns.append(column)
            # The last takes the place of the one that leaves, as in the published order.
            remaining[place] = remaining[-1]
            remaining = remaining[:-1]
            if row_of[column] < 0:
                sink = column
            else:
                row = int(row_of[column])
        _reprice(row_price, column_price, shortest, column_of, lowest, seen_rows, seen_columns)
        _augment(path, column_of, row_of, start, sink)
    return column_of


def _reprice(
    row_price: Floats,
    column_price: Floats,
    shortest: Floats,
    column_of: Indices,
    lowest: float,
    seen_rows: list[int],
    seen_columns: list[int],
) -> None:
    """Move the prices so that the path that was found costs nothing."""
    row_price[seen_rows[0]] += lowest
    others = seen_rows[1:]
    row_price[others] += lowest - shortest[column_of[others]]
    column_price[seen_columns] -= lowest - shortest[seen_columns]


def _augment(path: Indices, column_of: Indices, row_of: Indices, start: int, sink: int) -> None:
    """Hand columns on along the path from its free end to the row that it started from."""
    column = sink
    while True:
        row = int(path[column])
        row_of[column] = row
        column, column_of[row] = int(column_of[row]), column
        if row == start:
            return
