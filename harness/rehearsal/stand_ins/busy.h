/* Processes that have opened the stand-in of a device: files of STUB_PROCESSES, named by their numbers. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* Whether a thread of a process computes at the moment. */
static int computes(int pid) {
    char path[64], state = 0;
    int running = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    for (struct dirent *entry; threads && (entry = readdir(threads));) {
        snprintf(path, sizeof path, "/proc/%d/task/%.16s/stat", pid, entry->d_name);
        FILE *file = atoi(entry->d_name) > 0 ? fopen(path, "r") : NULL;
        if (!file) continue;
        running |= fscanf(file, "%*d (%*[^)]) %c", &state) == 1 && state == 'R';
        fclose(file);
    }
    if (threads) closedir(threads);
    return running;
}

/* The numbers of those that still run; `running` is set where one of them computes. */
static int processes_on_device(unsigned *found, int most, int *running) {
    const char *path = getenv("STUB_PROCESSES");
    DIR *folder = path ? opendir(path) : NULL;
    int count = 0;
    *running = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char process[64];
        int pid = atoi(entry->d_name);
        snprintf(process, sizeof process, "/proc/%d/stat", pid);
        FILE *file = pid > 0 ? fopen(process, "r") : NULL;
        if (!file) continue;
        fclose(file);
        if (count < most) found[count++] = (unsigned)pid;
        *running |= computes(pid);
    }
    if (folder) closedir(folder);
    return count;
}

static int busy(void) {
    unsigned found[64];
    int running;
    processes_on_device(found, 64, &running);
    return running;
}
