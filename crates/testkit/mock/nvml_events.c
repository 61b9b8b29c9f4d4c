/* Events and settings of the mock NVML. nvml.c includes this file; the scenario and its keys are described there. */

/* --- events -------------------------------------------------------------------------------------------------------------- */

struct event { nvmlDevice_t device; u64 type, data; unsigned gpu_instance, compute_instance; };

API nvmlEventSetCreate(nvmlEventSet_t *out) {
    ENTER(NULL);
    *out = calloc(1, sizeof **out);
    return OK;
}

API nvmlEventSetFree(nvmlEventSet_t set) {
    ENTER(NULL);
    free(set);
    return OK;
}

API nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, u64 *out) {
    ENTER(device);
    *out = 0x1 | 0x2 | 0x8 | 0x10;
    return OK;
}

API nvmlDeviceRegisterEvents(nvmlDevice_t device, u64 types, nvmlEventSet_t set) {
    ENTER(device);
    if (types & 8) set->devices |= 1ull << number_of_device(device);
    return OK;
}

API nvmlEventSetWait_v2(nvmlEventSet_t set, struct event *out, unsigned timeout_ms) {
    char key[KEY], value[VALUE];
    double begun = now_ms();
    ENTER(NULL);
    do {
        unsigned n;
        u64 xid;
        pthread_mutex_lock(&lock);
        refresh();
        snprintf(key, KEY, "event.%u", delivered);
        int found = find(key, value);
        delivered += found != 0;
        pthread_mutex_unlock(&lock);
        if (found && sscanf(value, "%u %llu", &n, &xid) == 2 && n < MAX_DEVICES && set->devices >> n & 1) {
            *out = (struct event){slots + n * SLOTS, 8, xid, ~0u, ~0u};
            return OK;
        }
        if (!found) nap();
    } while (now_ms() - begun < timeout_ms);
    return TIMEOUT;
}

/* --- settings ------------------------------------------------------------------------------------------------------------ */

/* Settings are taken and forgotten: a test that wants a refusal says so with a fault. */
API nvmlDeviceSetPowerManagementLimit(nvmlDevice_t device, unsigned limit_mw) {
    ENTER(device);
    if (limit_mw < number_or(device, "power_min_mw", 0) || limit_mw > number_or(device, "power_max_mw", ~0u)) return INVALID_ARGUMENT;
    return OK;
}

API nvmlDeviceSetComputeMode(nvmlDevice_t device, unsigned mode) {
    ENTER(device);
    return mode > 3 ? INVALID_ARGUMENT : OK;
}

API nvmlDeviceSetGpuLockedClocks(nvmlDevice_t device, unsigned least_mhz, unsigned most_mhz) {
    ENTER(device);
    return least_mhz > most_mhz ? INVALID_ARGUMENT : OK;
}

API nvmlDeviceResetGpuLockedClocks(nvmlDevice_t device) {
    ENTER(device);
    return OK;
}
