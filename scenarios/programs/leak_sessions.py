"""A TCP service that remembers every session for ever: KILOBYTES for each request; with AFTER, from then on only."""
import socketserver
import sys
import time

port, kilobytes = int(sys.argv[1]), int(sys.argv[2])
after = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
start, sessions = time.monotonic(), {}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            if time.monotonic() - start >= after:
                sessions[len(sessions)] = line * (kilobytes * 1024 // max(len(line), 1))
            self.wfile.write(b"ok\n")


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler).serve_forever()
