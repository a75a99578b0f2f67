"""Works without pause and keeps every result: a batch that was meant to be a stream."""
import hashlib

results, seed = [], b"seed"
while True:
    for _ in range(200):
        seed = hashlib.sha256(seed).digest()
    results.append(seed * 2048)
