"""A TCP service on a pool of four threads; after ONSET seconds each request waits for a part of it in the same pool."""
import concurrent.futures
import socket
import sys
import time

pool = concurrent.futures.ThreadPoolExecutor(4)
onset = time.monotonic() + float(sys.argv[2])


def part():
    return sum(range(5000))


def answer(peer):
    with peer:
        peer.recv(64)
        if time.monotonic() >= onset:
            time.sleep(0.4)
            pool.submit(part).result()
        part()
        peer.sendall(b"ok\n")


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    pool.submit(answer, listener.accept()[0])
