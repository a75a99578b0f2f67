// A server that hands work to a thread and waits for it without end; the thread dies. Arguments: port, seconds before.
const { Worker, isMainThread } = require('worker_threads');
const flag = new Int32Array(new SharedArrayBuffer(4));
const start = Date.now();
require('net').createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', () => {
    if (Date.now() - start > Number(process.argv[3]) * 1000) Atomics.wait(flag, 0, 0);
    socket.write('pong\n');
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
