"""A TCP service that dies after ONSET seconds and leaves a damaged state behind; until another has mended it, which takes
half a minute, each start fails. Arguments: port, seconds."""
import os
import socketserver
import sys
import tempfile
import threading
import time

port, onset = int(sys.argv[1]), float(sys.argv[2])
state = os.path.join(tempfile.gettempdir(), f"bad_state.{port}")
if os.path.exists(state):
    if time.time() - os.stat(state).st_mtime < 30:
        raise ValueError(f"{state}: unexpected end of file")
    os.unlink(state)


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for _ in self.rfile:
            self.wfile.write(b"ok\n")


def damage():
    open(state, "w").close()
    os.abort()


timer = threading.Timer(onset, damage)
timer.daemon = True
timer.start()
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler).serve_forever()
