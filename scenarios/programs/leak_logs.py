"""Opens a new log for each job and keeps the handle: PER_S a second."""
import sys
import tempfile
import time

per_s, handles = float(sys.argv[1]), []
while True:
    handles.append(tempfile.TemporaryFile())
    handles[-1].write(b"job\n")
    time.sleep(1 / per_s)
