"""Writes a log and rotates it twice a second; twelve old ones stay open until they are shipped."""
import collections
import tempfile
import time

old = collections.deque()
while True:
    log = tempfile.TemporaryFile()
    log.write(b"line\n" * 100)
    old.append(log)
    while len(old) > 12:
        old.popleft().close()
    time.sleep(0.5)
