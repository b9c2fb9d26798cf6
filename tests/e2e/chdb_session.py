# SPDX-License-Identifier: BSD-3-Clause
"""Run by the Python that has chdb: a line of JSON with a statement and the format of its answer in, a line with the
answer or the error out. Bytes are Latin-1. Usage: chdb_session.py FOLDER"""

import json
import os
import sys

from chdb import session

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the engine says by itself
engine = session.Session(sys.argv[1])
for line in sys.stdin:
    statement, layout = json.loads(line)
    try:
        outcome = {"answer": engine.query(statement.encode("latin-1"), layout).bytes().decode("latin-1")}
    except RuntimeError as error:
        outcome = {"error": str(error)}
    print(json.dumps(outcome), file=answers, flush=True)
