// A server that comes up, answers, and dies of a value that is not there. Arguments: port, seconds.
const door = require('net').createServer((socket) => socket.end('pong\n'));
door.listen(Number(process.argv[2]), '127.0.0.1');
setTimeout(() => JSON.parse(undefined).size, Number(process.argv[3]) * 1000);
