/* A mock of Level Zero's loader, its Sysman part: GPUs and faults stand in a scenario (see scenario.h).
 *
 *   devices                    how many there are: device.0 … device.(devices-1)
 *   device.N.pci               "DOMAIN BUS DEVICE FUNCTION"
 *   device.N.model device.N.driver_version
 *   device.N.memories          how many memory modules there are
 *   device.N.memory.K          bytes; .location (1 on the device) .physical (0 where only the state says the size)
 *   device.N.ecc               zes_device_ecc_state_t
 *   device.N.ports             how many fabric ports there are
 *   device.N.port.K            "FABRIC ATTACHMENT PORT"; .remote the same, .status (1 healthy), .bits_per_second (of the state) .max
 *
 * What a device has no key for is UNSUPPORTED_FEATURE. Layouts and numbers are those of zes_api.h v1.12. */

#include "scenario.h"

typedef uint32_t ze_result_t;
typedef uint8_t ze_bool_t;
typedef void *handle;
enum { UNINITIALIZED = 0x78000001, UNSUPPORTED_FEATURE = 0x78000003, INVALID_ARGUMENT = 0x78000004 };

struct core { uint32_t stype; void *next; uint32_t type, vendor, device, flags, subdevice, clock; uint64_t largest;
    uint32_t contexts, priority, threads, width, units, subslices, slices; uint64_t resolution; uint32_t bits, kernel_bits;
    uint8_t uuid[16]; char name[256]; };
struct device { uint32_t stype; void *next; struct core core; uint32_t subdevices; char serial[64], board[64], brand[64], model[64],
    vendor[64], driver[64]; };
struct pci { uint32_t stype; void *next; uint32_t domain, bus, device, function; int32_t generation, width; int64_t bandwidth;
    ze_bool_t counters[3]; };
struct memory { uint32_t stype; void *next; uint32_t type; ze_bool_t on_subdevice; uint32_t subdevice, location; uint64_t physical;
    int32_t width, channels; };
struct memory_state { uint32_t stype; const void *next; uint32_t health; uint64_t free, size; };
struct ecc { uint32_t stype; void *next; uint32_t current, pending, action; };
struct port_id { uint32_t fabric, attachment; uint8_t port; };
struct port_speed { int64_t bits; int32_t width; };
struct port { uint32_t stype; void *next; char model[256]; ze_bool_t on_subdevice; uint32_t subdevice; struct port_id id;
    struct port_speed receive, send; };
struct port_state { uint32_t stype; const void *next; uint32_t status, issues, reasons; struct port_id remote;
    struct port_speed receive, send; };

static int initialised;
enum { FIRST_MEMORY = 1, FIRST_PORT = 32 };

static uint64_t number(uint64_t otherwise, const char *key, int device, const char *part, int k) {
    char value[VALUE];
    int found = k < 0 ? get(value, "device.%d.%s", device, key) : get(value, "device.%d.%s.%d%s", device, key, k, part);
    return found ? NUMBER(value) : otherwise;
}

/* A structure must say what it is, as the real loader demands. */
#define CHECK(stype_wanted) \
    if (!initialised) return UNINITIALIZED; \
    uint32_t code = fault(__func__, device_of(handle)); \
    if (code) return code; \
    if (out->stype != (stype_wanted) || out->next) return INVALID_ARGUMENT; \
    int n = device_of(handle); \
    (void)n

EXPORT ze_result_t zesInit(uint32_t flags) {
    uint32_t code = fault("zesInit", -1);
    if (!code && !flags) initialised = 1;
    return flags ? INVALID_ARGUMENT : code;
}

EXPORT ze_result_t zesDriverGet(uint32_t *count, handle *drivers) {
    return initialised ? list("zesDriverGet", MAX_DEVICES - 1, 0, 1, count, drivers) : UNINITIALIZED;
}

EXPORT ze_result_t zesDeviceGet(handle driver, uint32_t *count, handle *devices) {
    char value[VALUE];
    if (!initialised || driver != handle_of(MAX_DEVICES - 1, 0)) return UNINITIALIZED;
    return list("zesDeviceGet", -1, 0, get(value, "devices") ? (uint32_t)NUMBER(value) : 0, count, devices);
}

EXPORT ze_result_t zesDeviceGetProperties(handle handle, struct device *out) {
    CHECK(1);
    if (out->core.stype != 3 || out->core.next) return INVALID_ARGUMENT;
    char value[VALUE];
    strcpy(out->model, get(value, "device.%d.model", n) ? value : "unknown");
    strcpy(out->driver, get(value, "device.%d.driver_version", n) ? value : "unknown");
    strcpy(out->vendor, "Intel(R) Corporation");
    out->core.slices = 0xffffffff;
    memset(out->core.name, 'x', sizeof out->core.name);
    return 0;
}

EXPORT ze_result_t zesDevicePciGetProperties(handle handle, struct pci *out) {
    CHECK(2);
    char value[VALUE];
    if (!get(value, "device.%d.pci", n)) return UNSUPPORTED_FEATURE;
    sscanf(value, "%x %x %x %x", &out->domain, &out->bus, &out->device, &out->function);
    out->bandwidth = -1;
    memset(out->counters, 1, 3);
    return 0;
}

EXPORT ze_result_t zesDeviceGetEccState(handle handle, struct ecc *out) {
    CHECK(0x26);
    char value[VALUE];
    if (!get(value, "device.%d.ecc", n)) return UNSUPPORTED_FEATURE;
    out->current = (uint32_t)NUMBER(value);
    out->pending = out->action = 7;
    return 0;
}

EXPORT ze_result_t zesDeviceEnumMemoryModules(handle device, uint32_t *count, handle *modules) {
    int n = device_of(device);
    return list("zesDeviceEnumMemoryModules", n, FIRST_MEMORY, (uint32_t)number(0, "memories", n, "", -1), count, modules);
}

EXPORT ze_result_t zesMemoryGetProperties(handle handle, struct memory *out) {
    CHECK(0xb);
    int k = part_of(handle) - FIRST_MEMORY;
    out->type = 17;
    out->on_subdevice = 1;
    out->subdevice = (uint32_t)k;
    out->location = (uint32_t)number(1, "memory", n, ".location", k);
    out->physical = number(number(0, "memory", n, "", k), "memory", n, ".physical", k);
    out->width = out->channels = -1;
    return 0;
}

EXPORT ze_result_t zesMemoryGetState(handle handle, struct memory_state *out) {
    CHECK(0x1e);
    out->health = 1;
    out->size = number(0, "memory", n, "", part_of(handle) - FIRST_MEMORY);
    out->free = out->size / 2;
    return 0;
}

EXPORT ze_result_t zesDeviceEnumFabricPorts(handle device, uint32_t *count, handle *ports) {
    int n = device_of(device);
    return list("zesDeviceEnumFabricPorts", n, FIRST_PORT, (uint32_t)number(0, "ports", n, "", -1), count, ports);
}

static int port_id(struct port_id *id, int device, int k, const char *which) {
    char value[VALUE];
    unsigned fabric, attachment, port;
    if (!get(value, "device.%d.port.%d%s", device, k, which)) return 0;
    if (sscanf(value, "%u %u %u", &fabric, &attachment, &port) != 3) return 0;
    *id = (struct port_id){ fabric, attachment, (uint8_t)port };
    return 1;
}

EXPORT ze_result_t zesFabricPortGetProperties(handle handle, struct port *out) {
    CHECK(6);
    int k = part_of(handle) - FIRST_PORT;
    strcpy(out->model, "XeLink");
    out->send = out->receive = (struct port_speed){ (int64_t)number(0, "port", n, ".max", k), 4 };
    return port_id(&out->id, n, k, "") ? 0 : UNSUPPORTED_FEATURE;
}

EXPORT ze_result_t zesFabricPortGetState(handle handle, struct port_state *out) {
    CHECK(0x19);
    int k = part_of(handle) - FIRST_PORT;
    out->status = (uint32_t)number(1, "port", n, ".status", k);
    out->send = out->receive = (struct port_speed){ (int64_t)number(-1, "port", n, ".bits_per_second", k), 4 };
    port_id(&out->remote, n, k, ".remote");
    return 0;
}
