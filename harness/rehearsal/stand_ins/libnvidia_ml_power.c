/* The part of NVML that the collector calls, on boards described by the environment.
 *
 * STUB_GPUS     boards "uuid|name|pci|major.minor|mig,mig", separated by ';'
 * STUB_POWER_MW power of board 0; board k draws k watts more
 * STUB_BUSY_MW  power of all boards while a process of STUB_PROCESSES (busy.h) computes; those are on board 0
 * STUB_MEMORY_GIB memory of board 0, of which 3 GiB are taken; board k has k GiB more of both
 * STUB_ERR      "call=code,call=code": NVML error codes to return
 * STUB_COMPUTE, STUB_GRAPHICS, STUB_MPS  processes "board/pid/bytes,...": -1 bytes are not told
 * The energy counter is power times the monotonic clock; with STUB_BUSY_MW the integral of the power at its readings.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "busy.h"

typedef struct {
    int index, is_mig, major, minor, mig_count;
    char uuid[96], name[96], pci[32], migs[2][96];
} Board;

typedef struct {
    char busIdLegacy[16];
    unsigned domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} PciInfo;

typedef struct {
    uint32_t fieldId, scopeId;
    int64_t timestamp, latencyUsec;
    uint32_t valueType, nvmlReturn;
    union { double d; uint32_t ui; uint64_t ull; } value;
} FieldValue;

typedef struct { unsigned long long total, free, used; } Memory;

typedef struct {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
} Process;

static Board boards[8], migs[16];
static int board_count;
static double read_s[8], drawn_mw[8], integral_mj[8];

static int error_of(const char *call) {
    const char *errors = getenv("STUB_ERR");
    char key[64];
    snprintf(key, sizeof key, "%s=", call);
    const char *found = errors ? strstr(errors, key) : NULL;
    return found ? atoi(found + strlen(key)) : 0;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (error_of("init")) return error_of("init");
    char text[2048], *board_end, *part_end;
    snprintf(text, sizeof text, "%s", getenv("STUB_GPUS") ? getenv("STUB_GPUS") : "");
    board_count = 0;
    for (char *entry = strtok_r(text, ";", &board_end); entry; entry = strtok_r(NULL, ";", &board_end)) {
        Board *board = &boards[board_count];
        memset(board, 0, sizeof *board);
        board->index = board_count++;
        char mig_text[256] = "";
        sscanf(entry, "%95[^|]|%95[^|]|%31[^|]|%d.%d|%255s", board->uuid, board->name, board->pci, &board->major,
               &board->minor, mig_text);
        for (char *mig = strtok_r(mig_text, ",", &part_end); mig; mig = strtok_r(NULL, ",", &part_end))
            strcpy(board->migs[board->mig_count++], mig);
    }
    return 0;
}
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetNVMLVersion(char *text, unsigned size) { snprintf(text, size, "13.615.71"); return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "615.71.05"); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = board_count; return error_of("count"); }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Board **board) {
    if ((int)index == atoi(getenv("STUB_FORBIDDEN") ? getenv("STUB_FORBIDDEN") : "-1")) return 4;
    *board = &boards[index];
    return 0;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, Board **board) {
    for (int k = 0; k < board_count; k++)
        if (!strcmp(boards[k].uuid, uuid)) { *board = &boards[k]; return 0; }
    return 6;
}
int nvmlDeviceGetUUID(Board *board, char *text, unsigned size) { snprintf(text, size, "%s", board->uuid); return 0; }
int nvmlDeviceGetName(Board *board, char *text, unsigned size) { snprintf(text, size, "%s", board->name); return 0; }
int nvmlDeviceGetPciInfo_v3(Board *board, PciInfo *info) {
    memset(info, 0, sizeof *info);
    strcpy(info->busId, board->pci);
    return 0;
}
int nvmlDeviceGetCudaComputeCapability(Board *board, int *major, int *minor) {
    *major = board->major;
    *minor = board->minor;
    return 0;
}
int nvmlDeviceGetMigMode(Board *board, unsigned *current, unsigned *pending) {
    *current = *pending = board->mig_count > 0;
    return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(Board *board, unsigned *count) { (void)board; *count = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(Board *board, unsigned index, Board **mig) {
    if ((int)index >= board->mig_count) return 6;
    *mig = &migs[board->index * 2 + index];
    **mig = *board;
    (*mig)->is_mig = 1;
    strcpy((*mig)->uuid, board->migs[index]);
    return 0;
}
static unsigned power_mw(Board *board) {
    const char *text = getenv("STUB_POWER_MW");
    unsigned base = text ? (unsigned)atoi(text) : 250000u;
    if (getenv("STUB_BUSY_MW") && busy()) return (unsigned)atoi(getenv("STUB_BUSY_MW"));
    return base ? base + 1000u * board->index : 0;
}
int nvmlDeviceGetPowerUsage(Board *board, unsigned *power) { *power = power_mw(board); return error_of("power"); }
int nvmlDeviceGetEnforcedPowerLimit(Board *board, unsigned *limit) { (void)board; *limit = 400000; return 0; }
int nvmlDeviceGetUtilizationRates(Board *board, unsigned rates[2]) {
    (void)board;
    rates[0] = 97;
    rates[1] = 40;
    return error_of("utilisation");
}
int nvmlDeviceGetMemoryInfo(Board *board, Memory *memory) {
    const char *told = getenv("STUB_MEMORY_GIB");
    memory->total = ((told ? (unsigned long long)atoi(told) : 80ull) + board->index) << 30;
    memory->used = (3ull + board->index) << 30;
    memory->free = memory->total - memory->used;
    return error_of("memory");
}
int nvmlDeviceGetTotalEnergyConsumption(Board *board, unsigned long long *energy_mj) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double now_s = now.tv_sec + now.tv_nsec * 1e-9;
    if (getenv("STUB_BUSY_MW")) {
        if (read_s[board->index]) integral_mj[board->index] += drawn_mw[board->index] * (now_s - read_s[board->index]);
        read_s[board->index] = now_s;
        drawn_mw[board->index] = power_mw(board);
        *energy_mj = (unsigned long long)integral_mj[board->index];
    } else {
        *energy_mj = (unsigned long long)(power_mw(board) * now_s);
    }
    return error_of("counter");
}
static int list_processes(const char *variable, Board *board, unsigned *count, Process *processes) {
    const char *text = getenv(variable) ? getenv(variable) : "";
    if (error_of(variable)) return error_of(variable);
    unsigned found = 0;
    for (const char *at = text; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        int index;
        unsigned pid;
        long long used;
        if (sscanf(at, "%d/%u/%lld", &index, &pid, &used) != 3 || index != board->index) continue;
        if (processes && found < *count) processes[found] = (Process){pid, (unsigned long long)used, ~0u, ~0u};
        found++;
    }
    unsigned opened[64];
    int running, more = board->index == 0 && !strcmp(variable, "STUB_COMPUTE") ? processes_on_device(opened, 64, &running) : 0;
    for (int k = 0; k < more; k++, found++)
        if (processes && found < *count) processes[found] = (Process){opened[k], 1ull << 28, ~0u, ~0u};
    int small = found > (processes ? *count : 0);
    *count = found;
    return small ? 7 : 0;
}
#define LIST(name, variable) \
    int name(Board *board, unsigned *count, Process *processes) { \
        return list_processes(variable, board, count, processes); \
    }
#ifdef OLD_DRIVER
LIST(nvmlDeviceGetComputeRunningProcesses_v2, "STUB_COMPUTE")
#else
LIST(nvmlDeviceGetComputeRunningProcesses_v3, "STUB_COMPUTE")
LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, "STUB_GRAPHICS")
LIST(nvmlDeviceGetMPSComputeRunningProcesses_v3, "STUB_MPS")
#endif
#ifndef OLD_DRIVER
int nvmlDeviceGetFieldValues(Board *board, int count, FieldValue *values) {
    for (int k = 0; k < count; k++) {
        values[k].nvmlReturn = error_of("instant");
        values[k].valueType = 1;
        values[k].value.ui = power_mw(board) + 5000;
    }
    return 0;
}
#endif
