// A server that answers well until a request makes it count without end. Arguments: port, seconds before.
const start = Date.now();
require('net').createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', () => {
    for (let n = 0; Date.now() - start > Number(process.argv[3]) * 1000; n++);
    socket.write('pong\n');
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
