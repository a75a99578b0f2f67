// A TCP service that keeps an object for each request in a Map by a number that never comes again.
const net = require('net');
const [port, bytes, onset] = process.argv.slice(2).map(Number);
const sessions = new Map();
const start = Date.now();
let next = 0;
net.createServer(socket => {
    socket.on('error', () => {});
    socket.on('data', () => {
        if (Date.now() - start > onset * 1000) {
            sessions.set(next++, { at: new Date(), page: Array.from({ length: bytes / 8 }, (_, n) => n + 0.5) });
        }
        socket.write('ok\n');
    });
}).listen(port, '127.0.0.1');
