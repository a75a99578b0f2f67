// A TCP service that, after some seconds, keeps a copy of a large body for each request. Arguments: port, seconds, bytes.
const [port, onset, bytes] = process.argv.slice(2).map(Number);
const start = Date.now();
const kept = [];
require('net').createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', () => {
    if (Date.now() - start >= onset * 1000) kept.push(Buffer.alloc(bytes, 1));
    socket.write('pong\n');
  });
}).listen(port, '127.0.0.1');
