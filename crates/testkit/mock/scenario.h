/* The scenario of a mock of a maker's library: the file `scenario` in the folder of that library, looked up anew for every key.
 *
 * A line is `key = value`; numbers are decimal or 0x hexadecimal. Common to the mocks that include this:
 *   fault.FUNCTION[.N] = CODE    FUNCTION (for device N) returns this
 *   count.FUNCTION = NUMBER      FUNCTION says that there are so many parts, whatever there are
 *   hang.FUNCTION = MS           FUNCTION takes this long
 * A function can be left out of the library: compile with -DFUNCTION=ANOTHER_NAME. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
enum { VALUE = 1024, MAX_DEVICES = 64, PARTS = 64 };

/* A handle points into this table: device N at N * PARTS, its parts after it. */
static char slots[MAX_DEVICES * PARTS];
static inline int device_of(const void *handle) { return (int)(((const char *)handle - slots) / PARTS); }
static inline int part_of(const void *handle) { return (int)(((const char *)handle - slots) % PARTS); }
static inline void *handle_of(int device, int part) { return &slots[device * PARTS + part]; }

/* The value of a key; 0 where it has none. */
static int get(char value[VALUE], const char *format, ...) {
    char key[256], path[4096], line[VALUE + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(key, sizeof key, format, arguments);
    va_end(arguments);
    Dl_info library;
    if (!dladdr((void *)get, &library)) return 0;
    snprintf(path, sizeof path, "%s", library.dli_fname);
    char *slash = strrchr(path, '/');
    if (!slash) return 0;
    strcpy(slash + 1, "scenario");
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    int found = 0;
    size_t length = strlen(key);
    while (!found && fgets(line, sizeof line, file))
        if (!strncmp(line, key, length) && !strncmp(line + length, " = ", 3)) {
            snprintf(value, VALUE, "%s", line + length + 3);
            value[strcspn(value, "\n")] = 0;
            found = 1;
        }
    fclose(file);
    return found;
}

#define NUMBER(value) strtoull((value), 0, 0)

/* The code that the scenario gives this call, or 0. */
static inline uint32_t fault(const char *function, int device) {
    char value[VALUE];
    if (get(value, "hang.%s", function)) usleep((useconds_t)NUMBER(value) * 1000);
    if (device >= 0 && get(value, "fault.%s.%d", function, device)) return (uint32_t)NUMBER(value);
    return get(value, "fault.%s", function) ? (uint32_t)NUMBER(value) : 0;
}

/* Gives parts as such libraries do: their count where there is no place for handles, else as many as there is place for. */
static inline uint32_t list(const char *function, int device, int first, uint32_t parts, uint32_t *count, void **handles) {
    char value[VALUE];
    uint32_t code = fault(function, device), room = *count;
    if (code) return code;
    *count = get(value, "count.%s", function) ? (uint32_t)NUMBER(value) : parts;
    for (uint32_t part = 0; handles && part < parts && part < room; part++)
        handles[part] = device < 0 ? handle_of(first + (int)part, 0) : handle_of(device, first + (int)part);
    return 0;
}
