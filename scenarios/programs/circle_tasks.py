# An asyncio service: two kinds of requests take two asyncio locks, after ONSET seconds in opposite order.
import asyncio, itertools, sys, time

onset, count = time.monotonic() + float(sys.argv[2]), itertools.count()

async def main():
    stock, orders = asyncio.Lock(), asyncio.Lock()

    async def serve(reader, writer):
        while await reader.readline():
            first, second = (stock, orders) if next(count) % 2 or time.monotonic() < onset else (orders, stock)
            async with first:
                await asyncio.sleep(0.02 if time.monotonic() < onset else 0.3)
                async with second:
                    writer.write(b"ok\n")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()

asyncio.run(main())
