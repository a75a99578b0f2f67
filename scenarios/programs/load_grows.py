"""A service whose work grows with its clients: each request costs some milliseconds."""
import socketserver
import sys


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for _ in self.rfile:
            sum(range(100_000))
            self.wfile.write(b"ok\n")


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
