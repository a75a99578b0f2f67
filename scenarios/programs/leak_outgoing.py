"""Connects to the service at PORT for each job, PER_S a second, and never closes; after LEVEL seconds."""
import socket
import sys
import time

port, per_s = int(sys.argv[1]), float(sys.argv[2])
level_s = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
kept = []
time.sleep(level_s)
while True:
    kept.append(socket.create_connection(("127.0.0.1", port)))
    kept[-1].sendall(b"hello\n")
    kept[-1].recv(64)
    time.sleep(1 / per_s)
