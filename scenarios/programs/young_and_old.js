// Keeps the last minutes of measurements in a ring and makes much rubbish besides: a collector of generations at work.
const ring = new Array(3000);
let next = 0;
setInterval(() => {
    for (let n = 0; n < 300; n++) JSON.parse(JSON.stringify({ n, list: Array.from({ length: 50 }, () => 'x' + n) }));
    ring[next++ % ring.length] = new Array(1000).fill(next);
}, 20);
