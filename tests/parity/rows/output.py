from tests.parity.harness import Row

ROWS: list[Row] = []
