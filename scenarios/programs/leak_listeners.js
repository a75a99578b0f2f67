// Each request listens to the bus and sets a timer; neither is ever taken back. Argument: bytes a second.
const bus = new (require("events"))();
bus.setMaxListeners(0);
const size = Number(process.argv[2]) / 40;
setInterval(() => {
    for (let i = 0; i < 2; i++) {
        const body = Array.from({ length: size / 8 }, (_, at) => at + Math.random());
        bus.on("end", () => body.length);
        setInterval(() => body[0], 3600e3);
    }
}, 50);
