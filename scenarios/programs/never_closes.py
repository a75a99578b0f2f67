"""A TCP service that answers and forgets to close: its clients leave, their connections stay."""
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
kept = []
while True:
    peer, _ = listener.accept()
    peer.recv(64)
    peer.sendall(b"ok\n")
    kept.append(peer)
