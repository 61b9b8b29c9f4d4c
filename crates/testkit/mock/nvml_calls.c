/* The calls of the mock NVML, by what they are about. nvml.c includes this file; the scenario and its keys are described there. */

/* --- the library -------------------------------------------------------------------------------------------------------- */

API nvmlInit_v2(void) {
    ENTER(NULL);
    __atomic_add_fetch(&initialised, 1, __ATOMIC_SEQ_CST);
    return OK;
}

API nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    ENTER(NULL);
    __atomic_add_fetch(&initialised, 1, __ATOMIC_SEQ_CST);
    return OK;
}

API nvmlShutdown(void) {
    ENTER(NULL);
    __atomic_sub_fetch(&initialised, 1, __ATOMIC_SEQ_CST);
    return OK;
}

static int system_text(const char *key, char *out, unsigned length) {
    char value[VALUE];
    if (!look_up(key, value)) return NOT_SUPPORTED;
    if (strlen(value) >= length) return INSUFFICIENT_SIZE;
    strcpy(out, value);
    return OK;
}

API nvmlSystemGetDriverVersion(char *out, unsigned length) {
    ENTER(NULL);
    return system_text("driver_version", out, length);
}

API nvmlSystemGetNVMLVersion(char *out, unsigned length) {
    ENTER(NULL);
    return system_text("nvml_version", out, length);
}

API nvmlSystemGetCudaDriverVersion_v2(int *out) {
    u64 version;
    ENTER(NULL);
    TRY(number_at("cuda_version", &version));
    *out = (int)version;
    return OK;
}

API nvmlSystemGetCudaDriverVersion(int *out) { return nvmlSystemGetCudaDriverVersion_v2(out); }

/* --- which devices there are -------------------------------------------------------------------------------------------- */

API nvmlDeviceGetCount_v2(unsigned *out) {
    ENTER(NULL);
    *out = (unsigned)devices();
    return OK;
}

API nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *out) {
    if (index >= devices()) return INVALID_ARGUMENT;
    ENTER(slots + index * SLOTS);
    *out = slots + index * SLOTS;
    return OK;
}

/* The device, or MIG device, one of whose properties has this value. */
static int handle_by(const char *name, const char *wanted, nvmlDevice_t *out) {
    char value[VALUE];
    for (u64 n = 0; n < devices(); n++) {
        for (int k = 0; k < SLOTS; k++) {
            nvmlDevice_t device = slots + n * SLOTS + k;
            if (property(device, name, value) && !strcasecmp(value, wanted)) {
                *out = device;
                return OK;
            }
        }
    }
    return NOT_FOUND;
}

API nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *out) {
    ENTER(NULL);
    TRY(handle_by("uuid", uuid, out));
    return enter(__func__, *out);
}

API nvmlDeviceGetHandleByPciBusId_v2(const char *address, nvmlDevice_t *out) {
    ENTER(NULL);
    /* NVML takes and gives eight digits of domain; a scenario has four. */
    if (strlen(address) == 16) address += 4;
    TRY(handle_by("pci", address, out));
    return enter(__func__, *out);
}

API nvmlDeviceGetIndex(nvmlDevice_t device, unsigned *out) {
    ENTER(device);
    *out = (unsigned)number_of_device(device);
    return OK;
}

TEXT(nvmlDeviceGetName, "name")
TEXT(nvmlDeviceGetUUID, "uuid")
TEXT(nvmlDeviceGetSerial, "serial")
TEXT(nvmlDeviceGetVbiosVersion, "vbios")
UNSIGNED(nvmlDeviceGetMinorNumber, "minor")
UNSIGNED(nvmlDeviceGetArchitecture, "architecture")
UNSIGNED(nvmlDeviceGetBrand, "brand")
UNSIGNED(nvmlDeviceGetNumGpuCores, "cores")
UNSIGNED(nvmlDeviceGetPersistenceMode, "persistence")
UNSIGNED(nvmlDeviceGetComputeMode, "compute_mode")
UNSIGNED(nvmlDeviceGetPerformanceState, "pstate")
UNSIGNED(nvmlDeviceGetPowerState, "pstate")

struct pci {
    char legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char address[32];
};

static int pci_from(const char *address, unsigned device_id, struct pci *out) {
    unsigned function;
    memset(out, 0, sizeof *out);
    if (sscanf(address, "%x:%x:%x.%x", &out->domain, &out->bus, &out->device, &function) != 4) return UNKNOWN;
    snprintf(out->legacy, sizeof out->legacy, "%04X:%02X:%02X.%X", out->domain & 0xffff, out->bus & 0xff, out->device & 0xff, function & 15);
    snprintf(out->address, sizeof out->address, "%08X:%02X:%02X.%X", out->domain, out->bus, out->device, function);
    out->device_id = device_id;
    return OK;
}

API nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, struct pci *out) {
    char value[VALUE];
    ENTER(device);
    nvmlDevice_t whole = slots + number_of_device(device) * SLOTS;
    if (!property(whole, "pci", value)) return NOT_SUPPORTED;
    return pci_from(value, (unsigned)number_or(whole, "pci_device_id", 0), out);
}

/* --- memory and multiprocessors ----------------------------------------------------------------------------------------- */

struct memory { u64 total, free, used; };
struct memory_v2 { unsigned version; u64 total, reserved, free, used; };

API nvmlDeviceGetMemoryInfo(nvmlDevice_t device, struct memory *out) {
    ENTER(device);
    TRY(number_of(device, "memory_total", &out->total));
    out->used = number_or(device, "memory_used", 0) + number_or(device, "memory_reserved", 0);
    out->free = out->total - out->used;
    return OK;
}

API nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, struct memory_v2 *out) {
    if (out->version != (sizeof *out | 2u << 24)) return VERSION_MISMATCH;
    ENTER(device);
    TRY(number_of(device, "memory_total", &out->total));
    out->reserved = number_or(device, "memory_reserved", 0);
    out->used = number_or(device, "memory_used", 0);
    out->free = out->total - out->used - out->reserved;
    return OK;
}

API nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, struct memory *out) {
    ENTER(device);
    TRY(number_of(device, "bar1_total", &out->total));
    out->used = number_or(device, "bar1_used", 0);
    out->free = out->total - out->used;
    return OK;
}

API nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor) {
    char value[VALUE];
    ENTER(device);
    if (!property(device, "compute_capability", value)) return NOT_SUPPORTED;
    return sscanf(value, "%d.%d", major, minor) == 2 ? OK : UNKNOWN;
}

struct attributes { unsigned multiprocessors, copy_engines, decoders, encoders, jpeg, ofa, gpu_slices, compute_slices; u64 memory_mb; };

API nvmlDeviceGetAttributes_v2(nvmlDevice_t device, struct attributes *out) {
    ENTER(device);
    memset(out, 0, sizeof *out);
    TRY(unsigned_of(device, "multiprocessors", &out->multiprocessors));
    out->memory_mb = number_or(device, "memory_total", 0) >> 20;
    return OK;
}

struct process { unsigned pid; u64 used; unsigned gpu_instance, compute_instance; };

static int processes(nvmlDevice_t device, unsigned *length, struct process *out) {
    char value[VALUE];
    unsigned found = 0, room = *length;
    if (property(device, "processes", value)) {
        for (char *rest = value, *word; (word = strsep(&rest, " "));) {
            struct process one = {0, 0, ~0u, ~0u};
            if (sscanf(word, "%u:%llu", &one.pid, &one.used) != 2) continue;
            if (found < room && out) out[found] = one;
            found++;
        }
    }
    *length = found;
    return found > room || (found && !out) ? INSUFFICIENT_SIZE : OK;
}

API nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *length, struct process *out) {
    ENTER(device);
    return processes(device, length, out);
}

API nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned *length, struct process *out) {
    (void)out;
    ENTER(device);
    *length = 0;
    return OK;
}

API nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *length, struct process *out) {
    (void)out;
    ENTER(device);
    *length = 0;
    return OK;
}

/* --- errors of memory ---------------------------------------------------------------------------------------------------- */

PAIR(nvmlDeviceGetEccMode, "ecc", "ecc_pending")
UNSIGNED(nvmlDeviceGetRetiredPagesPendingStatus, "retired_pending")

static const char *const error_types[] = {"corrected", "uncorrected"};
static const char *const counters[] = {"volatile", "aggregate"};

API nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, unsigned type, unsigned counter, u64 *out) {
    char key[KEY];
    ENTER(device);
    if (type > 1 || counter > 1) return INVALID_ARGUMENT;
    snprintf(key, KEY, "ecc_%s_%s", error_types[type], counters[counter]);
    return number_of(device, key, out);
}

API nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, unsigned type, unsigned counter, unsigned place, u64 *out) {
    static const char *const places[] = {"l1", "l2", "dram", "register", "texture", "texture_shm", "cbu", "sram"};
    char key[KEY];
    ENTER(device);
    if (type > 1 || counter > 1 || place > 7) return INVALID_ARGUMENT;
    snprintf(key, KEY, "ecc_%s_%s_%s", error_types[type], counters[counter], places[place]);
    return number_of(device, key, out);
}

static int retired(nvmlDevice_t device, unsigned cause, unsigned *length, u64 *addresses, u64 *times) {
    u64 pages;
    if (cause > 1) return INVALID_ARGUMENT;
    TRY(number_of(device, cause ? "retired_double" : "retired_single", &pages));
    unsigned room = *length;
    *length = (unsigned)pages;
    if (pages > room) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < pages; i++) {
        addresses[i] = 0x10000ull * (i + 1);
        if (times) times[i] = 1700000000ull + i;
    }
    return OK;
}

API nvmlDeviceGetRetiredPages(nvmlDevice_t device, unsigned cause, unsigned *length, u64 *addresses) {
    ENTER(device);
    return retired(device, cause, length, addresses, NULL);
}

API nvmlDeviceGetRetiredPages_v2(nvmlDevice_t device, unsigned cause, unsigned *length, u64 *addresses, u64 *times) {
    ENTER(device);
    return retired(device, cause, length, addresses, times);
}

API nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned *correctable, unsigned *uncorrectable, unsigned *pending, unsigned *failure) {
    ENTER(device);
    TRY(unsigned_of(device, "remapped_correctable", correctable));
    TRY(unsigned_of(device, "remapped_uncorrectable", uncorrectable));
    *pending = (unsigned)number_or(device, "remapped_pending", 0);
    *failure = (unsigned)number_or(device, "remapped_failure", 0);
    return OK;
}

/* --- temperature, power, clocks, use ------------------------------------------------------------------------------------- */

API nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensor, unsigned *out) {
    ENTER(device);
    return sensor ? INVALID_ARGUMENT : unsigned_of(device, "temperature", out);
}

API nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, unsigned which, unsigned *out) {
    static const char *const names[] = {"threshold_shutdown", "threshold_slowdown", "threshold_memory_max", "threshold_gpu_max"};
    ENTER(device);
    return which > 3 ? NOT_SUPPORTED : unsigned_of(device, names[which], out);
}

UNSIGNED(nvmlDeviceGetPowerUsage, "power_mw")
UNSIGNED(nvmlDeviceGetEnforcedPowerLimit, "power_limit_mw")
UNSIGNED(nvmlDeviceGetPowerManagementLimit, "power_limit_mw")
UNSIGNED(nvmlDeviceGetPowerManagementDefaultLimit, "power_default_mw")
PAIR(nvmlDeviceGetPowerManagementLimitConstraints, "power_min_mw", "power_max_mw")
LONG(nvmlDeviceGetTotalEnergyConsumption, "energy_mj")
LONG(nvmlDeviceGetCurrentClocksThrottleReasons, "throttle")
LONG(nvmlDeviceGetCurrentClocksEventReasons, "throttle")
LONG(nvmlDeviceGetSupportedClocksThrottleReasons, "throttle_supported")
LONG(nvmlDeviceGetSupportedClocksEventReasons, "throttle_supported")

static int clock_of(nvmlDevice_t device, const char *prefix, unsigned which, unsigned *out) {
    static const char *const names[] = {"graphics", "sm", "mem", "video"};
    char key[KEY];
    if (which > 3) return INVALID_ARGUMENT;
    snprintf(key, KEY, "%s_%s", prefix, names[which]);
    return unsigned_of(device, key, out);
}

API nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned which, unsigned *out) {
    ENTER(device);
    return clock_of(device, "clock", which, out);
}

API nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, unsigned which, unsigned *out) {
    ENTER(device);
    return clock_of(device, "clock_max", which, out);
}

struct violation { u64 reference_us, violation_ns; };

API nvmlDeviceGetViolationStatus(nvmlDevice_t device, unsigned policy, struct violation *out) {
    ENTER(device);
    out->reference_us = (u64)(now_ms() * 1e3);
    if (policy > 1) return NOT_SUPPORTED;
    return number_of(device, policy ? "violation_thermal_ns" : "violation_power_ns", &out->violation_ns);
}

struct utilization { unsigned gpu, memory; };

API nvmlDeviceGetUtilizationRates(nvmlDevice_t device, struct utilization *out) {
    ENTER(device);
    TRY(unsigned_of(device, "utilization", &out->gpu));
    out->memory = (unsigned)number_or(device, "utilization_memory", 0);
    return OK;
}

API nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned *out, unsigned *period_us) {
    ENTER(device);
    *period_us = 167000;
    return unsigned_of(device, "utilization_encoder", out);
}

API nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned *out, unsigned *period_us) {
    ENTER(device);
    *period_us = 167000;
    return unsigned_of(device, "utilization_decoder", out);
}

UNSIGNED(nvmlDeviceGetNumFans, "fans")
UNSIGNED(nvmlDeviceGetFanSpeed, "fan_speed")

API nvmlDeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned fan, unsigned *out) {
    ENTER(device);
    return fan >= number_or(device, "fans", 0) ? INVALID_ARGUMENT : unsigned_of(device, "fan_speed", out);
}

/* --- PCIe and NVLink ----------------------------------------------------------------------------------------------------- */

API nvmlDeviceGetPcieThroughput(nvmlDevice_t device, unsigned which, unsigned *out) {
    ENTER(device);
    return which > 1 ? INVALID_ARGUMENT : unsigned_of(device, which ? "pcie_rx_kb" : "pcie_tx_kb", out);
}

UNSIGNED(nvmlDeviceGetCurrPcieLinkGeneration, "pcie_gen")
UNSIGNED(nvmlDeviceGetCurrPcieLinkWidth, "pcie_width")
UNSIGNED(nvmlDeviceGetMaxPcieLinkGeneration, "pcie_max_gen")
UNSIGNED(nvmlDeviceGetMaxPcieLinkWidth, "pcie_max_width")
UNSIGNED(nvmlDeviceGetPcieReplayCounter, "pcie_replays")

static int link_key(nvmlDevice_t device, unsigned link, const char *name, char key[KEY]) {
    if (link >= 18) return INVALID_ARGUMENT;
    snprintf(key, KEY, "device.%d.nvlink.%u.%s", number_of_device(device), link, name);
    return link < number_or(device, "nvlinks", 0) ? OK : NOT_SUPPORTED;
}

API nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned link, unsigned *out) {
    char key[KEY];
    u64 active = 1;
    ENTER(device);
    TRY(link_key(device, link, "active", key));
    number_at(key, &active);
    *out = active != 0;
    return OK;
}

API nvmlDeviceGetNvLinkVersion(nvmlDevice_t device, unsigned link, unsigned *out) {
    char key[KEY];
    ENTER(device);
    TRY(link_key(device, link, "version", key));
    return unsigned_of(device, "nvlink_version", out);
}

API nvmlDeviceGetNvLinkCapability(nvmlDevice_t device, unsigned link, unsigned which, unsigned *out) {
    char key[KEY];
    (void)which;
    ENTER(device);
    TRY(link_key(device, link, "capability", key));
    return unsigned_of(device, "nvlink_capability", out);
}

API nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned link, struct pci *out) {
    char key[KEY], value[VALUE];
    ENTER(device);
    TRY(link_key(device, link, "remote", key));
    return look_up(key, value) ? pci_from(value, 0, out) : NOT_SUPPORTED;
}

API nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned link, unsigned *out) {
    char key[KEY];
    u64 type;
    ENTER(device);
    TRY(link_key(device, link, "type", key));
    TRY(number_at(key, &type));
    *out = (unsigned)type;
    return OK;
}

API nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned link, unsigned which, u64 *out) {
    static const char *const names[] = {"replay", "recovery", "crc_flit", "crc_data", "ecc"};
    char key[KEY];
    ENTER(device);
    if (which > 4) return INVALID_ARGUMENT;
    TRY(link_key(device, link, "errors", key));
    snprintf(key, KEY, "nvlink_%s_errors", names[which]);
    return number_of(device, key, out);
}

struct field { unsigned id, scope; long long timestamp, latency_us; unsigned type; int code; union { unsigned ui; u64 ull; } value; };

/* Key of a field; NULL for one that the mock does not have. Numbers of nvml.h. */
static const char *field_key(unsigned id) {
    if ((id >= 84 && id <= 90) || (id >= 132 && id <= 137)) return "nvlink_speed_mbps";
    switch (id) {
    case 82: return "temperature_memory";
    case 83: return "energy_mj";
    case 91: return "nvlinks";
    case 142: return "remapped_correctable";
    case 143: return "remapped_uncorrectable";
    case 144: return "remapped_pending";
    case 145: return "remapped_failure";
    case 38: return "nvlink_crc_flit_errors";
    case 45: return "nvlink_crc_data_errors";
    case 52: return "nvlink_replay_errors";
    case 59: return "nvlink_recovery_errors";
    case 138: return "nvlink_tx_kib";
    case 139: return "nvlink_rx_kib";
    case 230: return "recovery_action";
    default: return NULL;
    }
}

API nvmlDeviceGetFieldValues(nvmlDevice_t device, int length, struct field *fields) {
    ENTER(device);
    for (int i = 0; i < length; i++) {
        const char *key = field_key(fields[i].id);
        fields[i].type = fields[i].id == 83 ? 3 : 1;
        fields[i].value.ull = 0;
        fields[i].code = key ? number_of(device, key, &fields[i].value.ull) : NOT_SUPPORTED;
    }
    return OK;
}

/* --- place in the machine ------------------------------------------------------------------------------------------------ */

static int level_between(int a, int b) {
    char key[KEY];
    u64 level;
    if (a == b) return 0;
    snprintf(key, KEY, "topology.%d.%d", a < b ? a : b, a < b ? b : a);
    if (number_at(key, &level) == OK) return (int)level;
    return number_or(slots + a * SLOTS, "numa", 0) == number_or(slots + b * SLOTS, "numa", 0) ? 40 : 50;
}

API nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t a, nvmlDevice_t b, int *out) {
    ENTER(a);
    if (number_of_device(b) < 0) return INVALID_ARGUMENT;
    *out = level_between(number_of_device(a), number_of_device(b));
    return OK;
}

API nvmlDeviceGetTopologyNearestGpus(nvmlDevice_t device, int level, unsigned *length, nvmlDevice_t *out) {
    ENTER(device);
    unsigned found = 0, room = *length;
    for (int n = 0; n < (int)devices(); n++) {
        if (n == number_of_device(device) || level_between(n, number_of_device(device)) != level) continue;
        if (found < room && out) out[found] = slots + n * SLOTS;
        found++;
    }
    *length = found;
    return found > room && out ? INSUFFICIENT_SIZE : OK;
}

API nvmlDeviceGetP2PStatus(nvmlDevice_t a, nvmlDevice_t b, unsigned which, unsigned *out) {
    (void)which;
    ENTER(a);
    if (number_of_device(b) < 0) return INVALID_ARGUMENT;
    *out = 0;
    return OK;
}

static void set_bit(unsigned long *bits, unsigned words, u64 bit) {
    if (bit < (u64)words * 64) bits[bit / 64] |= 1ul << bit % 64;
}

API nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned words, unsigned long *out) {
    char value[VALUE];
    ENTER(device);
    if (!property(device, "cpus", value)) return NOT_SUPPORTED;
    memset(out, 0, words * sizeof *out);
    for (char *rest = value, *range; (range = strsep(&rest, ","));) {
        u64 first, last;
        int parts = sscanf(range, "%llu-%llu", &first, &last);
        for (u64 cpu = first; parts > 0 && cpu <= (parts == 2 ? last : first) && cpu < 65536; cpu++) set_bit(out, words, cpu);
    }
    return OK;
}

API nvmlDeviceGetCpuAffinityWithinScope(nvmlDevice_t device, unsigned words, unsigned long *out, unsigned scope) {
    (void)scope;
    return nvmlDeviceGetCpuAffinity(device, words, out);
}

API nvmlDeviceGetMemoryAffinity(nvmlDevice_t device, unsigned words, unsigned long *out, unsigned scope) {
    u64 node;
    (void)scope;
    ENTER(device);
    TRY(number_of(device, "numa", &node));
    memset(out, 0, words * sizeof *out);
    set_bit(out, words, node);
    return OK;
}

UNSIGNED(nvmlDeviceGetNumaNodeId, "numa")

/* --- MIG ----------------------------------------------------------------------------------------------------------------- */

PAIR(nvmlDeviceGetMigMode, "mig", "mig_pending")
UNSIGNED(nvmlDeviceGetMaxMigDeviceCount, "mig_max")
UNSIGNED(nvmlDeviceGetGpuInstanceId, "gpu_instance")
UNSIGNED(nvmlDeviceGetComputeInstanceId, "compute_instance")

API nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned index, nvmlDevice_t *out) {
    char value[VALUE];
    ENTER(device);
    if (index + 1 >= SLOTS || mig_of(device) >= 0) return INVALID_ARGUMENT;
    nvmlDevice_t found = device + 1 + index;
    if (!property(found, "uuid", value)) return NOT_FOUND;
    *out = found;
    return OK;
}

API nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned *out) {
    ENTER(device);
    *out = mig_of(device) >= 0;
    return OK;
}

API nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t device, nvmlDevice_t *out) {
    ENTER(device);
    if (mig_of(device) < 0) return INVALID_ARGUMENT;
    *out = slots + number_of_device(device) * SLOTS;
    return OK;
}
