/* A mock of AMD's system management library: GPUs and faults stand in a scenario (see scenario.h).
 *
 *   version                 "W W W W": the four numbers of amdsmi_version_t, of which the first is the year before ROCm 7
 *   sockets                 how many there are; each has one processor: device.0 … device.(sockets-1)
 *   device.N.bdf            amdsmi_bdf_t as a number
 *   device.N.memory         bytes of VRAM
 *   device.N.ecc            mask of the blocks that correct errors
 *   device.N.name device.N.driver_version
 *   link.I.J                "HOPS TYPE MIN MAX" (amdsmi_link_type_t; megabytes a second)
 *
 * What a device has no key for is NOT_SUPPORTED. Numbers are those of amdsmi.h; of its structures the sizes follow the version: names
 * and driver versions are 64 or 256 characters wide, and the rest of the structure is filled to its end. */

#include "scenario.h"

typedef uint32_t status;
typedef void *handle;
enum { INVAL = 1, NOT_SUPPORTED = 2, NOT_INIT = 32 };
static int initialised;

struct version { uint32_t numbers[4]; const char *build; };

/* Which of the layouts: 1 to 5 for ROCm 6.1, 6.2, 6.3, 6.4 and 7. */
static int layout(void) {
    char value[VALUE];
    unsigned first = 0, second = 0;
    if (get(value, "version")) sscanf(value, "%u %u", &first, &second);
    if (first >= 26) return 5;
    if (first == 25) return second >= 3 ? 4 : 3;
    return second <= 5 ? 1 : second == 6 ? 2 : 3;
}

#define CHECK(n) \
    if (!initialised) return NOT_INIT; \
    char value[VALUE]; \
    uint32_t code = fault(__func__, (n)); \
    if (code) return code

EXPORT status amdsmi_get_lib_version(struct version *out) {
    char value[VALUE];
    uint32_t code = fault(__func__, -1);
    if (code) return code;
    if (get(value, "version"))
        sscanf(value, "%u %u %u %u", &out->numbers[0], &out->numbers[1], &out->numbers[2], &out->numbers[3]);
    out->build = "mock";
    return 0;
}

EXPORT status amdsmi_init(uint64_t flags) {
    uint32_t code = fault(__func__, -1);
    if (!code && flags == 2) initialised++;
    return flags == 2 ? code : INVAL;
}

EXPORT status amdsmi_shut_down(void) {
    return initialised ? initialised--, 0 : NOT_INIT;
}

EXPORT status amdsmi_get_socket_handles(uint32_t *count, handle *sockets) {
    CHECK(-1);
    return list(__func__, -1, 0, get(value, "sockets") ? (uint32_t)NUMBER(value) : 0, count, sockets);
}

EXPORT status amdsmi_get_processor_handles(handle socket, uint32_t *count, handle *processors) {
    CHECK(device_of(socket));
    (void)value;
    return list(__func__, device_of(socket), 1, 1, count, processors);
}

EXPORT status amdsmi_get_gpu_device_bdf(handle processor, uint64_t *bdf) {
    CHECK(device_of(processor));
    if (!get(value, "device.%d.bdf", device_of(processor))) return NOT_SUPPORTED;
    *bdf = NUMBER(value);
    return 0;
}

EXPORT status amdsmi_get_gpu_memory_total(handle processor, uint32_t kind, uint64_t *bytes) {
    CHECK(device_of(processor));
    if (kind || !get(value, "device.%d.memory", device_of(processor))) return NOT_SUPPORTED;
    *bytes = NUMBER(value);
    return 0;
}

EXPORT status amdsmi_get_gpu_ecc_enabled(handle processor, uint64_t *blocks) {
    CHECK(device_of(processor));
    if (!get(value, "device.%d.ecc", device_of(processor))) return NOT_SUPPORTED;
    *blocks = NUMBER(value);
    return 0;
}

/* Fills a structure of so many bytes that begins with a text of so many characters: no NUL where the text fills its field. */
static void fill(char *out, size_t bytes, size_t width, const char *text) {
    memset(out, 'x', bytes);
    memset(out, 0, width);
    memcpy(out, text, strlen(text) < width ? strlen(text) : width);
}

EXPORT status amdsmi_get_gpu_asic_info(handle processor, char *out) {
    static const size_t bytes[] = { 0, 256, 448, 456, 896, 896 };
    CHECK(device_of(processor));
    if (!get(value, "device.%d.name", device_of(processor))) return NOT_SUPPORTED;
    fill(out, bytes[layout()], layout() == 1 ? 64 : 256, value);
    return 0;
}

EXPORT status amdsmi_get_gpu_driver_info(handle processor, char *out) {
    CHECK(device_of(processor));
    if (!get(value, "device.%d.driver_version", device_of(processor))) return NOT_SUPPORTED;
    fill(out, layout() < 4 ? 192 : 768, layout() < 4 ? 64 : 256, value);
    return 0;
}

EXPORT status amdsmi_topo_get_link_type(handle from, handle to, uint64_t *hops, uint32_t *type) {
    CHECK(device_of(from));
    unsigned long long h, t;
    if (!get(value, "link.%d.%d", device_of(from), device_of(to)) || sscanf(value, "%llu %llu", &h, &t) != 2) return NOT_SUPPORTED;
    *hops = h;
    *type = (uint32_t)t;
    return 0;
}

EXPORT status amdsmi_get_minmax_bandwidth_between_processors(handle from, handle to, uint64_t *least, uint64_t *most) {
    CHECK(device_of(from));
    unsigned long long a, b;
    if (!get(value, "link.%d.%d", device_of(from), device_of(to)) || sscanf(value, "%*u %*u %llu %llu", &a, &b) != 2)
        return NOT_SUPPORTED;
    *least = a;
    *most = b;
    return 0;
}
