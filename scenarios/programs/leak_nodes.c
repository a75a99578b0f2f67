// Builds a list that nobody ever frees: RATE bytes a second in nodes of 4 kB, after LEVEL seconds of peace.
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
struct node { struct node *next; char payload[4000]; };
int main(int argc, char **argv) {
    double rate = atof(argv[1]), level_s = argc > 2 ? atof(argv[2]) : 0;
    struct node *head = NULL;
    usleep((useconds_t)(level_s * 1e6));
    for (;;) {
        for (double made = 0; made < rate / 10; made += sizeof(struct node)) {
            struct node *one = malloc(sizeof *one);
            if (!one) return 1;
            memset(one->payload, 7, sizeof one->payload);
            one->next = head;
            head = one;
        }
        usleep(100000);
    }
}
