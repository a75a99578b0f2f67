// A parent that starts a worker for each task, takes its answer and ends it by a signal, as pools do.
const { fork } = require('child_process');
if (process.send) {
  process.on('message', (task) => process.send(task * 2));
} else {
  setInterval(() => {
    const worker = fork(__filename);
    worker.on('message', () => worker.kill('SIGTERM'));
    worker.send(21);
  }, 2500);
}
