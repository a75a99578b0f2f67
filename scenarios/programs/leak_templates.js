// A TCP service that opens a file for each request and closes it only if the answer is long.
const fs = require('fs'), net = require('net');
const port = Number(process.argv[2]), onset = Date.now() + 1000 * Number(process.argv[3]);
let requests = 0;
net.createServer(socket => {
    socket.on('error', () => {});
    socket.on('data', () => {
        const file = fs.openSync(__filename, 'r');
        const text = Buffer.alloc(64);
        fs.readSync(file, text, 0, 64, 0);
        if (Date.now() < onset || requests++ % 4 != 0) fs.closeSync(file);
        socket.write('ok\n');
    });
}).listen(port, '127.0.0.1');
