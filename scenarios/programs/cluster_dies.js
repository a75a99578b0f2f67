// A cluster of two workers; each dies of what it did not expect, and the parent starts another. Argument: milliseconds.
const cluster = require('cluster');
if (cluster.isPrimary) {
  for (let i = 0; i < 2; i++) cluster.fork();
  cluster.on('exit', (worker, code) => {
    console.error(`worker ${worker.process.pid} died: ${code}`);
    setTimeout(() => cluster.fork(), 500);
  });
} else {
  setTimeout(() => { throw new TypeError('order.customer is undefined'); }, Number(process.argv[2]));
}
