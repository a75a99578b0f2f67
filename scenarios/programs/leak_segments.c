// Shares more and more memory with workers that are gone. Arguments: sysv, posix or memfd; bytes a second.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

static void *segment(const char *kind, size_t size) {
    if (!strcmp(kind, "sysv")) {
        int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
        void *place = shmat(id, NULL, 0);
        shmctl(id, IPC_RMID, NULL);
        return place;
    }
    int file = !strcmp(kind, "posix") ? shm_open("/leak-segments", O_CREAT | O_RDWR, 0600) : memfd_create("block", 0);
    shm_unlink("/leak-segments");
    if (ftruncate(file, size)) exit(1);
    void *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return place;
}

int main(int argc, char **argv) {
    const char *kind = argc > 1 ? argv[1] : "sysv";
    size_t size = argc > 2 ? (size_t)atof(argv[2]) : 2000000;
    for (;; sleep(1)) memset(segment(kind, size), 1, size);
}
