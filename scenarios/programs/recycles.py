# A server that preforks and recycles: each of three workers answers for some seconds, ends well, and another takes its place.
# Argument: port.
import os, random, signal, socket, sys, time

door = socket.create_server(("127.0.0.1", int(sys.argv[1])))

def work():
    door.settimeout(0.5)
    end = time.time() + random.uniform(2, 5)
    while time.time() < end:
        try:
            peer, _ = door.accept()
        except TimeoutError:
            continue
        with peer:
            peer.recv(64)
            peer.sendall(b"ok\n")
    os._exit(0)

signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL) if os.getpgrp() == os.getpid() else os._exit(0))
for _ in range(3):
    os.fork() or work()
while True:
    os.wait()
    os.fork() or work()
