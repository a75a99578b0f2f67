# Reads a file that is larger than the memory it may have: its limit ends it each time. Argument: seconds before.
import resource, sys, time

resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
time.sleep(float(sys.argv[1]))
blocks = [bytearray(16 << 20) for _ in range(64)]
