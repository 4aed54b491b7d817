/* How many threads of this machine want to run at the moment, the one that asks left out. */
#include <stdio.h>

static int running(void) {
    int count = 1;
    FILE *file = fopen("/proc/loadavg", "r");
    if (!file) return 0;
    if (fscanf(file, "%*f %*f %*f %d/", &count) != 1) count = 1;
    fclose(file);
    return count - 1;
}
