"""A pool of connections to the service at PORT: grows by one in PERIOD seconds up to SIZE, and uses all of them."""
import socket
import sys
import time

port, size, period = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
pool = []
while True:
    if len(pool) < size:
        pool.append(socket.create_connection(("127.0.0.1", port)))
    for one in pool:
        one.sendall(b"ping\n")
        one.recv(64)
    time.sleep(period)
