"""A gateway: each request waits for the service at BACKEND, which takes its time; its clients wait as well."""
import socket
import socketserver
import sys

port, backend = int(sys.argv[1]), int(sys.argv[2])


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            with socket.create_connection(("127.0.0.1", backend)) as upstream:
                upstream.sendall(line)
                self.wfile.write(upstream.recv(64) or b"none\n")


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler).serve_forever()
