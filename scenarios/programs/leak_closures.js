// Registers a listener for each event and never removes one: RATE bytes a second.
const rate = Number(process.argv[2]);
const listeners = [];
setInterval(() => {
  for (let made = 0; made < rate / 10; made += 8000) {
    const payload = new Array(1000).fill(listeners.length);
    listeners.push(() => payload.length);
  }
}, 100);
