# A server whose port another one has. Argument: port.
import socketserver, sys

with socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), socketserver.StreamRequestHandler) as server:
    server.serve_forever()
