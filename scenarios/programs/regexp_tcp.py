"""A TCP service whose pattern explodes on one kind of request after ONSET seconds: it computes for ever."""
import re
import socketserver
import sys
import time

onset = time.monotonic() + float(sys.argv[2])


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            if time.monotonic() >= onset:
                re.match(r"(a+)+$", "a" * 64 + "b")
            self.wfile.write(b"ok\n")


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
