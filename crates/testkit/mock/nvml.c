/* A mock of NVIDIA's management library: the GPUs, their readings and their faults stand in a scenario, a text file.
 *
 * The file is the one that ZOMMA_MOCK_NVML names, else `scenario` in the folder of this library. It is looked at in each call
 * (and read again where it changed; replace it by renaming), so that a test changes it while a program runs. A line is
 * `key = value`; `#` begins a comment. Numbers are decimal or 0x hexadecimal. What a device has no key for is NOT_SUPPORTED.
 *
 *   driver_version, nvml_version    text                    cuda_version    12080 for 12.8
 *   devices                         how many there are: device.0 … device.(devices-1)
 *   fault.FUNCTION[.N] = CODE       FUNCTION (for device N) returns this nvmlReturn_t; nvmlInit_v2 too
 *   hang.FUNCTION[.N] = MS          FUNCTION takes this long, or until the line is gone
 *   hang.unload = MS                taking the library out of the process takes this long
 *   event.K = N XID                 the K-th event that a wait gives: device N, XID code (K from 0, in order)
 *   topology.I.J = LEVEL            nvmlGpuTopologyLevel_t of devices I < J; else 40 on the same NUMA node and 50 across
 *
 *   device.N.lost = 1               every call on it is GPU_IS_LOST
 *   device.N.KEY, KEY of:
 *     name uuid serial vbios pci (0000:19:00.0) pci_device_id minor architecture brand
 *     memory_total memory_used memory_reserved bar1_total bar1_used   (bytes)
 *     compute_capability (9.0) multiprocessors cores numa cpus (0-47,96-143)
 *     ecc ecc_pending ecc_{corrected,uncorrected}_{volatile,aggregate} and the same with _{l1,l2,dram,register,sram}
 *     retired_single retired_double retired_pending remapped_{correctable,uncorrectable,pending,failure}
 *     temperature temperature_memory threshold_{shutdown,slowdown,memory_max,gpu_max}
 *     power_mw power_limit_mw power_default_mw power_min_mw power_max_mw energy_mj
 *     clock_{graphics,sm,mem,video} clock_max_{graphics,sm,mem,video} throttle throttle_supported   (MHz; bit masks)
 *     violation_{power,thermal}_ns utilization utilization_memory utilization_encoder utilization_decoder
 *     fans fan_speed pcie_tx_kb pcie_rx_kb pcie_gen pcie_width pcie_max_gen pcie_max_width pcie_replays
 *     pstate compute_mode persistence
 *     processes ("PID:BYTES PID:BYTES")
 *     nvlinks (links 0 … nvlinks-1 are active) nvlink_version nvlink_speed_mbps nvlink_capability
 *     nvlink_{replay,recovery,crc_flit,crc_data,ecc}_errors nvlink_{tx,rx}_kib (of all links together) recovery_action
 *     nvlink.L.remote (PCI address) nvlink.L.type (0 GPU, 2 switch) nvlink.L.active (0 for a link that is down)
 *     mig mig_pending mig_max mig.K.KEY (name uuid memory_total memory_used multiprocessors gpu_instance compute_instance)
 *
 * A function can be left out of the library: compile with -DFUNCTION=ANOTHER_NAME. Layouts and numbers are those of nvml.h. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

typedef int nvmlReturn_t;
typedef struct slot *nvmlDevice_t;
typedef struct event_set *nvmlEventSet_t;
typedef unsigned long long u64;

enum {
    OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, TIMEOUT = 10,
    GPU_IS_LOST = 15, VERSION_MISMATCH = 25, UNKNOWN = 999
};
enum { MAX_DEVICES = 64, SLOTS = 16, KEY = 128, VALUE = 1024 };

/* A device's handle points into this table: device N at N * SLOTS, its MIG device K at N * SLOTS + 1 + K. */
struct slot { char unused; };
static struct slot slots[MAX_DEVICES * SLOTS];
struct event_set { u64 devices; };

/* --- the scenario ------------------------------------------------------------------------------------------------------- */

struct entry { char *key, *value; };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stat seen;
static char *text;
static struct entry *entries;
static size_t count;
/* How often the library was started and not shut down. */
static int initialised;
static unsigned delivered;

static int by_key(const void *a, const void *b) {
    return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

static char *trim(char *s) {
    while (*s == ' ' || *s == '\t') s++;
    char *end = s + strlen(s);
    while (end > s && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) *--end = 0;
    return s;
}

static void parse(void) {
    count = 0;
    size_t lines = 1;
    for (char *c = text; *c; c++) lines += *c == '\n';
    entries = realloc(entries, lines * sizeof *entries);
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        char *comment = strchr(line, '#');
        if (comment) *comment = 0;
        char *equals = strchr(line, '=');
        if (!equals) continue;
        *equals = 0;
        entries[count].key = trim(line);
        entries[count++].value = trim(equals + 1);
    }
    qsort(entries, count, sizeof *entries, by_key);
}

/* Reads the scenario where it is another file than the one last seen. A file that is not there is an empty scenario. */
static void refresh(void) {
    static char beside[4096];
    const char *path = getenv("ZOMMA_MOCK_NVML");
    if (!path) {
        Dl_info here;
        if (!beside[0] && dladdr((void *)&slots, &here) && here.dli_fname) {
            snprintf(beside, sizeof beside, "%s", here.dli_fname);
            char *slash = strrchr(beside, '/');
            snprintf(slash ? slash + 1 : beside, 16, "scenario");
        }
        path = beside;
    }
    struct stat now = {0};
    if (stat(path, &now)) memset(&now, 0, sizeof now);
    if (text && now.st_ino == seen.st_ino && now.st_size == seen.st_size && now.st_mtim.tv_sec == seen.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec) return;
    FILE *file = fopen(path, "r");
    if (!file || fstat(fileno(file), &now)) memset(&now, 0, sizeof now);
    text = realloc(text, (size_t)now.st_size + 1);
    size_t length = file ? fread(text, 1, (size_t)now.st_size, file) : 0;
    text[length] = 0;
    seen = now;
    parse();
    if (file) fclose(file);
}

/* The value of a key, copied out; 0 where there is none. The lock is held. */
static int find(const char *key, char value[VALUE]) {
    struct entry wanted = {(char *)key, NULL};
    struct entry *found = count ? bsearch(&wanted, entries, count, sizeof *entries, by_key) : NULL;
    if (found) snprintf(value, VALUE, "%s", found->value);
    return found != NULL;
}

/* As find, for whoever does not hold the lock. */
static int look_up(const char *key, char value[VALUE]) {
    pthread_mutex_lock(&lock);
    refresh();
    int found = find(key, value);
    pthread_mutex_unlock(&lock);
    return found;
}

static int number(const char *value, u64 *out) {
    char *end;
    errno = 0;
    *out = strtoull(value, &end, 0);
    return *value && !*end && !errno ? OK : UNKNOWN;
}

static int number_at(const char *key, u64 *out) {
    char value[VALUE];
    return look_up(key, value) ? number(value, out) : NOT_SUPPORTED;
}

static void nap(void) {
    struct timespec pause = {0, 2000000};
    nanosleep(&pause, NULL);
}

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* --- devices ------------------------------------------------------------------------------------------------------------ */

static int number_of_device(nvmlDevice_t device) {
    return device >= slots && device < slots + MAX_DEVICES * SLOTS ? (int)(device - slots) / SLOTS : -1;
}

static int mig_of(nvmlDevice_t device) { return (int)(device - slots) % SLOTS - 1; }

/* Key of a property of a device or of a MIG device. */
static void key_of(nvmlDevice_t device, const char *property, char key[KEY]) {
    if (mig_of(device) < 0) snprintf(key, KEY, "device.%d.%s", number_of_device(device), property);
    else snprintf(key, KEY, "device.%d.mig.%d.%s", number_of_device(device), mig_of(device), property);
}

static int property(nvmlDevice_t device, const char *property, char value[VALUE]) {
    char key[KEY];
    key_of(device, property, key);
    return look_up(key, value);
}

static int number_of(nvmlDevice_t device, const char *name, u64 *out) {
    char key[KEY];
    key_of(device, name, key);
    return number_at(key, out);
}

static u64 number_or(nvmlDevice_t device, const char *name, u64 otherwise) {
    u64 value;
    return number_of(device, name, &value) == OK ? value : otherwise;
}

static u64 devices(void) {
    u64 found = 0;
    if (number_at("devices", &found) || found > MAX_DEVICES) return 0;
    return found;
}

/* What every call does first: hangs and fails as the scenario says. Device is NULL where the call has none. */
static int enter(const char *function, nvmlDevice_t device) {
    int n = device ? number_of_device(device) : -1;
    if (device && n < 0) return INVALID_ARGUMENT;
    char key[KEY], value[VALUE];
    double begun = now_ms();
    for (;;) {
        u64 hang_ms;
        snprintf(key, KEY, "hang.%s.%d", function, n);
        int found = n >= 0 && look_up(key, value);
        if (!found) {
            snprintf(key, KEY, "hang.%s", function);
            found = look_up(key, value);
        }
        if (!found || number(value, &hang_ms) || now_ms() - begun >= (double)hang_ms) break;
        nap();
    }
    u64 code = OK;
    snprintf(key, KEY, "fault.%s.%d", function, n);
    int found = n >= 0 && look_up(key, value);
    if (!found) {
        snprintf(key, KEY, "fault.%s", function);
        found = look_up(key, value);
    }
    if (found && number(value, &code)) return UNKNOWN;
    if (code != OK) return (int)code;
    if (strncmp(function, "nvmlInit", 8) && !initialised) return UNINITIALIZED;
    if (n >= 0 && (u64)n >= devices()) return GPU_IS_LOST;
    snprintf(key, KEY, "device.%d.lost", n);
    return n >= 0 && look_up(key, value) && strcmp(value, "0") ? GPU_IS_LOST : OK;
}

/* Taken out of the process: takes as long as hang.unload says, as a library does whose handler waits for a call in progress. */
__attribute__((destructor)) static void unload(void) { enter("unload", NULL); }

#define API __attribute__((visibility("default"))) nvmlReturn_t
#define ENTER(device) do { int code_ = enter(__func__, (device)); if (code_ != OK) return code_; } while (0)
#define TRY(call) do { int code_ = (call); if (code_ != OK) return code_; } while (0)

static int text_of(nvmlDevice_t device, const char *name, char *out, unsigned length) {
    char value[VALUE];
    if (!property(device, name, value)) return NOT_SUPPORTED;
    if (strlen(value) >= length) return INSUFFICIENT_SIZE;
    strcpy(out, value);
    return OK;
}

static int unsigned_of(nvmlDevice_t device, const char *name, unsigned *out) {
    u64 value;
    TRY(number_of(device, name, &value));
    *out = (unsigned)value;
    return OK;
}

#define TEXT(function, name) \
    API function(nvmlDevice_t device, char *out, unsigned length) { ENTER(device); return text_of(device, name, out, length); }
#define UNSIGNED(function, name) \
    API function(nvmlDevice_t device, unsigned *out) { ENTER(device); return unsigned_of(device, name, out); }
#define LONG(function, name) \
    API function(nvmlDevice_t device, u64 *out) { ENTER(device); return number_of(device, name, out); }
#define PAIR(function, first, second) \
    API function(nvmlDevice_t device, unsigned *a, unsigned *b) { \
        ENTER(device); TRY(unsigned_of(device, first, a)); *b = (unsigned)number_or(device, second, *a); return OK; }

#include "nvml_calls.c"
#include "nvml_events.c"
