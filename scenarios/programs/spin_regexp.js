// Tries each way to read a line that no way reads.
const line = "a".repeat(40) + "!";
for (;;) /^(a+)+$/.test(line);
