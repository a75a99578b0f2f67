"""A service that answers after SECONDS, one thread a connection: slow by nature."""
import socketserver
import sys
import time


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for _ in self.rfile:
            time.sleep(float(sys.argv[2]))
            self.wfile.write(b"ok\n")


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
