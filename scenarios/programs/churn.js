// Makes garbage without end and keeps the last thousand objects.
const kept = [];
setInterval(() => {
  for (let i = 0; i < 300; i++) kept.push({ at: Date.now(), payload: "y".repeat(50) + i, list: [i, i, i] });
  while (kept.length > 1000) kept.shift();
}, 50);
