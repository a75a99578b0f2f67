"""A TCP service with a bounded cache: each request adds an entry of 100 kB until there are LIMIT of them."""
import collections
import socketserver
import sys

port, limit = int(sys.argv[1]), int(sys.argv[2])
cache = collections.OrderedDict()
count = 0


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        global count
        for line in self.rfile:
            count += 1
            cache[count] = bytes([count % 256]) * 100_000
            while len(cache) > limit:
                cache.popitem(last=False)
            self.wfile.write(b"ok\n")


socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler).serve_forever()
