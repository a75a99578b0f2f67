# A database whose file grows: it writes pages and reads the last ones through a map, as the page cache allows. Argument:
# bytes a second.
import mmap, os, sys, tempfile, time

rate = int(float(sys.argv[1]))
file = tempfile.TemporaryFile()
while True:
    file.seek(0, os.SEEK_END)
    if file.tell() > 600e6:
        file.truncate(0)
    file.write(os.urandom(4096) * (rate // 4096))
    file.flush()
    pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    sum(pages[i] for i in range(max(0, len(pages) - 4 * rate), len(pages), 4096))
    time.sleep(1)
