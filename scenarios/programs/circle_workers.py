"""Two worker processes behind one door; after ONSET seconds each takes two locks that they share, in an order of its own.
Arguments: port, seconds."""
import multiprocessing
import os
import socket
import sys
import time

door = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
accounts, orders = multiprocessing.Lock(), multiprocessing.Lock()
onset = time.monotonic() + float(sys.argv[2])


def work(first, second):
    while True:
        peer, _ = door.accept()
        with peer:
            peer.recv(64)
            if time.monotonic() >= onset:
                with first:
                    time.sleep(0.5)
                    with second:
                        pass
            peer.sendall(b"ok\n")


context = multiprocessing.get_context("fork")
workers = [context.Process(target=work, args=pair, daemon=True) for pair in [(accounts, orders), (orders, accounts)]]
for one in workers:
    one.start()
for one in workers:
    one.join()
