"""A TCP service, a thread a connection; after ONSET seconds two kinds of requests take two locks in opposite order."""
import itertools
import socketserver
import sys
import threading
import time

port, onset = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
accounts, audit, count = threading.Lock(), threading.Lock(), itertools.count()


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for _ in self.rfile:
            first, second = (accounts, audit) if next(count) % 2 else (audit, accounts)
            if time.monotonic() < onset:
                first, second = accounts, audit
            with first:
                if time.monotonic() >= onset:
                    time.sleep(0.3)
                with second:
                    sum(range(5000))
            self.wfile.write(b"ok\n")


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler).serve_forever()
