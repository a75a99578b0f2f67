"""An asyncio service; after ONSET seconds one request keeps the lock, and all later ones wait for it."""
import asyncio
import sys
import time

onset = time.monotonic() + float(sys.argv[2])


async def main():
    lock = asyncio.Lock()

    async def answer(reader, writer):
        while await reader.readline():
            async with lock:
                if time.monotonic() >= onset:
                    await asyncio.Event().wait()
                sum(range(20000))
            writer.write(b"ok\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
