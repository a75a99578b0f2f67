# A TCP service whose answers come when there is news, every NEWS seconds: many threads wait at one condition meanwhile.
import socketserver, sys, threading, time

news = threading.Condition()

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for _ in self.rfile:
            with news:
                news.wait()
            self.wfile.write(b"ok\n")

def publishes():
    while True:
        time.sleep(float(sys.argv[2]))
        with news:
            news.notify_all()

threading.Thread(target=publishes, daemon=True).start()
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
