"""Any language model and any vision tower: every row of the tables in `docs/models.md` is tried, and must come out so.

`python tests/shared/model_matrix.py --write` tries all and writes the tables anew.
"""

import pytest
from model_matrix import DOCUMENT, TABLES, Workshop, written
from transformers.utils import logging

REMEDY = "Run: python tests/shared/model_matrix.py --write"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    logging.set_verbosity_error()
    return Workshop(tmp_path_factory.mktemp("matrix"))


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, (models, _) in TABLES.items() for name in models])
def test_a_row_comes_out_as_it_is_written(workshop, table, name):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed (extra: quantize)")
    cells, reasons = workshop.try_row(table, name)
    rows, refusals = written(table)
    assert cells == rows.get(name), f"{DOCUMENT.name} differs. {REMEDY}"
    assert reasons == [line for line in refusals if line.startswith(f"- {name}:")], REMEDY


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_hold_these_rows_and_no_others(table):
    assert list(written(table)[0]) == list(TABLES[table][0]), REMEDY
