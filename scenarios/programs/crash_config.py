# A worker that loads for a moment and dies because something it needs is missing. Argument: seconds.
import sys, time

time.sleep(float(sys.argv[1]))
raise KeyError("DATABASE_URL")
