"""The monitor of a virtual machine: it maps what the guest was promised, and the guest fills it. Without KVM it sleeps."""
import fcntl
import mmap
import os
import sys
import time

KVM_CREATE_VM = 0xAE01
MB = 1 << 20

rate = float(sys.argv[1])  # MB a second
try:
    kvm = os.open("/dev/kvm", os.O_RDWR)
    machine = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
except OSError as error:
    print(f"no virtual machine here: {error}", flush=True)
    time.sleep(3600)
memory = mmap.mmap(-1, 4096 * MB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
page = b"x" * mmap.PAGESIZE
at = 0
while at < 2048 * MB:
    for _ in range(int(rate * MB / 10 / mmap.PAGESIZE)):
        memory[at : at + mmap.PAGESIZE] = page
        at += mmap.PAGESIZE
    time.sleep(0.1)
time.sleep(3600)
