/* The part of NVML that tells of power, and what NVML tells of a board's clocks, memory and faults.
 *
 * STUB_ERR may name "ecc" and "violation" too. Throttling: power cap for 1.5 s, temperature for none.
 */
#include "libnvidia_ml_power.c"

typedef struct { unsigned long long reference, violation; } Violation;

int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 13020; return 0; }
int nvmlDeviceGetMaxClockInfo(Board *board, unsigned kind, unsigned *mhz) {
    (void)board;
    *mhz = kind == 1 ? 1980 : 2619;
    return 0;
}
int nvmlDeviceGetClockInfo(Board *board, unsigned kind, unsigned *mhz) {
    (void)board;
    *mhz = kind == 1 ? 345 : 1593;
    return 0;
}
int nvmlDeviceGetEccMode(Board *board, unsigned *current, unsigned *pending) {
    (void)board;
    *current = *pending = 1;
    return error_of("ecc");
}
int nvmlDeviceGetPersistenceMode(Board *board, unsigned *mode) { (void)board; *mode = 0; return 0; }
int nvmlDeviceGetVbiosVersion(Board *board, char *text, unsigned size) {
    (void)board;
    snprintf(text, size, "96.00.A1");
    return 0;
}
int nvmlDeviceGetTemperature(Board *board, unsigned sensor, unsigned *celsius) {
    (void)board, (void)sensor;
    *celsius = 41;
    return 0;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(Board *board, unsigned long long *reasons) {
    (void)board;
    *reasons = 0x1 | 0x4;
    return 0;
}
int nvmlDeviceGetViolationStatus(Board *board, unsigned policy, Violation *told) {
    (void)board;
    told->violation = policy == 0 ? 1500000000ull : 0;
    return error_of("violation");
}
int nvmlDeviceGetTotalEccErrors(Board *board, unsigned type, unsigned counter, unsigned long long *errors) {
    (void)board;
    *errors = type == 1 && counter == 1 ? 2 : 99;
    return error_of("ecc");
}
