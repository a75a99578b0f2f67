# Opens one thing for each request and forgets to close it. Arguments: inotify, epoll, timer, socketpair or scandir; a second.
import ctypes, os, select, socket, sys, time

libc = ctypes.CDLL(None)
kind, rate, kept = sys.argv[1], float(sys.argv[2]), []
make = {
    "inotify": lambda: libc.inotify_init(),
    "epoll": lambda: kept.append(select.epoll()),
    "timer": lambda: libc.timerfd_create(1, 0),
    "socketpair": lambda: kept.append(socket.socketpair()),
    "scandir": lambda: os.open("/", os.O_RDONLY | os.O_DIRECTORY),
}[kind]
while True:
    make()
    time.sleep(1 / rate)
