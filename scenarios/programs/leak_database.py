# Logs into an in-memory SQLite database and never deletes a row; ROWS a second of one kilobyte.
import sqlite3, sys, time

rows = int(sys.argv[1])
db = sqlite3.connect(":memory:", isolation_level=None)
db.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, at REAL, line TEXT)")
while True:
    db.executemany("INSERT INTO log (at, line) VALUES (?, ?)", [(time.time(), "l" * 1000)] * (rows // 10))
    db.execute("SELECT count(*) FROM log WHERE id > 100").fetchone()
    time.sleep(0.1)
