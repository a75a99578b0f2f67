# A server whose three helpers lock accounts in a ring; requests need one of the accounts. Arguments: port, seconds before.
import socketserver, sys, threading, time

locks = [threading.Lock() for _ in range(3)]

def transfer(number):
    time.sleep(float(sys.argv[2]))
    with locks[number]:
        time.sleep(1)
        with locks[(number + 1) % 3]:
            pass

class Ask(socketserver.StreamRequestHandler):
    def handle(self):
        for count, _ in enumerate(self.rfile):
            with locks[count % 3]:
                self.wfile.write(b"pong\n")

for number in range(3):
    threading.Thread(target=transfer, args=(number,), daemon=True).start()
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Ask).serve_forever()
