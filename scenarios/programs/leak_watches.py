# Makes an inotify instance and an epoll for each request, and closes neither. Argument: requests a second.
import ctypes, select, sys, time

libc = ctypes.CDLL(None)
kept = []
while True:
    kept.append((libc.inotify_init1(0), select.epoll()))
    time.sleep(1 / float(sys.argv[1]))
