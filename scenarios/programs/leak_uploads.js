// Opens a file for each upload and waits for an end that never comes. Argument: files a second.
const fs = require("fs");
const kept = [];
setInterval(() => fs.open(process.execPath, "r", (error, file) => kept.push(file)), 1000 / Number(process.argv[2]));
