/* The part of DCMI that the collector calls, on chips described by the environment.
 *
 * STUB_CHIPS  chips "card|chip|logic|physical|name|bus|power in 0.1 W", separated by ';'
 * STUB_ERR    "call=code,call=code", or "call@card=code" for one card: DCMI error codes to return
 * STUB_POWER  power in 0.1 W of all chips, instead of theirs
 * STUB_BUSY   power in 0.1 W of all chips while a process of STUB_PROCESSES (busy.h) computes
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "busy.h"

struct dcmi_chip_info {
    unsigned char chip_type[32], chip_name[32], chip_ver[32];
    unsigned int aicore_cnt;
};

struct dcmi_pcie_info_all {
    unsigned int venderid, subvenderid, deviceid, subdeviceid;
    int domain;
    unsigned int bdf_busid, bdf_deviceid, bdf_funcid;
    unsigned char reserve[32];
};

struct dcmi_hbm_info {
    unsigned long long memory_size;
    unsigned int freq;
    unsigned long long memory_usage;
    int temp;
    unsigned int bandwith_util_rate;
};

typedef struct {
    int card, chip, logic, physical, bus, power;
    char name[32];
} Chip;

static Chip chips[32];
static int chip_count;

static int error_of(const char *call, int card) {
    const char *errors = getenv("STUB_ERR");
    char key[64];
    snprintf(key, sizeof key, "%s=", call);
    const char *found = errors ? strstr(errors, key) : NULL;
    if (!found) {
        snprintf(key, sizeof key, "%s@%d=", call, card);
        found = errors ? strstr(errors, key) : NULL;
    }
    return found ? atoi(found + strlen(key)) : 0;
}

static Chip *find(int card, int chip) {
    for (int k = 0; k < chip_count; k++)
        if (chips[k].card == card && chips[k].chip == chip) return &chips[k];
    return NULL;
}

int dcmi_init(void) {
    char text[2048], *end;
    snprintf(text, sizeof text, "%s", getenv("STUB_CHIPS") ? getenv("STUB_CHIPS") : "");
    chip_count = 0;
    for (char *entry = strtok_r(text, ";", &end); entry; entry = strtok_r(NULL, ";", &end)) {
        Chip *chip = &chips[chip_count++];
        sscanf(entry, "%d|%d|%d|%d|%31[^|]|%x|%d", &chip->card, &chip->chip, &chip->logic, &chip->physical, chip->name,
               (unsigned *)&chip->bus, &chip->power);
    }
    return error_of("init", -1);
}

static int list_cards(int *count, int *list, int length) {
    *count = 0;
    for (int k = 0; k < chip_count; k++)
        if (chips[k].chip == 0 && *count < length) list[(*count)++] = chips[k].card;
    return error_of("list", -1);
}

static int count_chips(int card) {
    int count = 0;
    for (int k = 0; k < chip_count; k++) count += chips[k].card == card;
    return count;
}

#ifdef OLD_DRIVER
int dcmi_get_card_num_list(int *count, int *list, int length) { return list_cards(count, list, length); }
int dcmi_get_device_num_in_card(int card, int *count) { *count = count_chips(card); return 0; }
#else
int dcmi_get_card_list(int *count, int *list, int length) { return list_cards(count, list, length); }
int dcmi_get_device_id_in_card(int card, int *count, int *mcu, int *cpu) {
    *count = count_chips(card);
    *mcu = *count;
    *cpu = -1;
    return 0;
}
int dcmi_get_device_phyid_from_logicid(unsigned int logic, unsigned int *physical) {
    for (int k = 0; k < chip_count; k++)
        if (chips[k].logic == (int)logic) { *physical = chips[k].physical; return 0; }
    return -8008;
}
int dcmi_get_driver_version(char *text, unsigned int size) { snprintf(text, size, "25.5.1"); return 0; }
int dcmi_get_dcmi_version(char *text, unsigned int size) { snprintf(text, size, "25.5.2"); return 0; }
#endif

int dcmi_get_device_logic_id(int *logic, int card, int chip) {
    Chip *found = find(card, chip);
    if (!found) return -8008;
    *logic = found->logic;
    return 0;
}

int dcmi_get_device_chip_info(int card, int chip, struct dcmi_chip_info *info) {
    Chip *found = find(card, chip);
    if (!found) return -8008;
    memset(info, 0, sizeof *info);
    strcpy((char *)info->chip_type, "Ascend");
    strcpy((char *)info->chip_name, found->name);
    return 0;
}

int dcmi_get_device_pcie_info_v2(int card, int chip, struct dcmi_pcie_info_all *info) {
    Chip *found = find(card, chip);
    if (!found) return -8008;
    memset(info, 0, sizeof *info);
    info->bdf_busid = found->bus;
    return error_of("pcie", card);
}

int dcmi_get_device_power_info(int card, int chip, int *power) {
    Chip *found = find(card, chip);
    if (!found) return -8008;
    *power = getenv("STUB_POWER") ? atoi(getenv("STUB_POWER")) : found->power;
    if (getenv("STUB_BUSY") && busy()) *power = atoi(getenv("STUB_BUSY"));
    return error_of("power", card);
}

#ifndef OLD_DRIVER
int dcmi_get_device_hbm_info(int card, int chip, struct dcmi_hbm_info *info) {
    *info = (struct dcmi_hbm_info){65536, 1600, 3390 + chip, 41, 7};
    return error_of("hbm", card);
}
#endif

int dcmi_get_device_utilization_rate(int card, int chip, int type, unsigned int *rate) {
    (void)chip;
    *rate = type == 2 ? 97 : 3;
    return error_of("utilisation", card);
}
