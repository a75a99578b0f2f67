// A server that answers and never ends its half of a connection, and keeps the socket in a list.
const kept = [];
require('net').createServer({ allowHalfOpen: true }, (socket) => {
  kept.push(socket);
  socket.on('data', () => socket.write('pong\n'));
  socket.on('error', () => {});
}).listen(Number(process.argv[2]), '127.0.0.1');
