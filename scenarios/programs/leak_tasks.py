# An event loop that starts a task for each request, of which each waits for an answer that nobody gives.
import asyncio, sys

async def ask(size):
    body = bytearray(size)
    await asyncio.get_running_loop().create_future()
    return body

async def main():
    tasks = set()
    while True:
        for _ in range(20):
            tasks.add(asyncio.create_task(ask(int(float(sys.argv[1])) // 200)))
        await asyncio.sleep(0.1)

asyncio.run(main())
