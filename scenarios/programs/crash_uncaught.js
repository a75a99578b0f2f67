// Throws what nobody catches, some milliseconds after its start. Argument: milliseconds.
setTimeout(() => { throw new Error("no setting"); }, Number(process.argv[2] || 200));
