// Keeps half a million small objects and makes garbage as fast as it can: the collector's threads work all the time.
const kept = [];
for (let i = 0; i < 500000; i++) kept.push({ id: i, name: `row ${i}` });
for (let i = 0; ; i++) kept[i % kept.length] = { id: i, name: `row ${i}`, rows: new Array(20).fill(i) };
