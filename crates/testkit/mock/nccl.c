/* A mock of NCCL and of as much of the CUDA driver as it needs, in one library under both names. A device's memory is the process's own, and a
 * stream does at once what it is given, but for sums over ranks: one is on its way until an event's query, a copy or a synchronisation finds that
 * every rank has given its part, through a file that all ranks map. Sums are made in the order of ranks.
 *
 * ZOMMA_MOCK_NCCL              the folder of that file
 * ZOMMA_MOCK_NCCL_STALL_AFTER  so many sums of rank 1 come; the next never does
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))
#define RANKS 16
#define SLOT_BYTES (16UL << 20)
#define NOT_READY 600
#define BAD_ARGUMENT 4
#define SYSTEM_ERROR 2

struct shared {
    _Atomic unsigned long arrived[RANKS];
    _Atomic unsigned long left[RANKS];
};

struct comm {
    struct shared *shared;
    char *slots;
    size_t bytes;
    int rank, ranks;
    unsigned long done;
};

typedef struct { char internal[128]; } unique_id;

/* The sum that is on its way; there is one stream with one at a time. */
static struct {
    struct comm *comm;
    const float *own;
    float *into;
    size_t count;
    int given;
} pending;

static int stalls(const struct comm *comm) {
    const char *after = getenv("ZOMMA_MOCK_NCCL_STALL_AFTER");
    return after && comm->rank == 1 && comm->done >= strtoul(after, NULL, 10);
}

/* Whether nothing is on its way any more. */
static int progress(void) {
    struct comm *comm = pending.comm;
    if (!comm) return 1;
    if (stalls(comm)) return 0;
    for (int rank = 0; rank < comm->ranks && !pending.given; rank++)
        if (comm->shared->left[rank] < comm->done) return 0;
    if (!pending.given) {
        memcpy(comm->slots + comm->rank * SLOT_BYTES, pending.own, pending.count * sizeof(float));
        comm->shared->arrived[comm->rank] = comm->done + 1;
        pending.given = 1;
    }
    for (int rank = 0; rank < comm->ranks; rank++)
        if (comm->shared->arrived[rank] < comm->done + 1) return 0;
    for (size_t i = 0; i < pending.count; i++) {
        float sum = 0;
        for (int rank = 0; rank < comm->ranks; rank++) {
            float part = ((const float *)(comm->slots + rank * SLOT_BYTES))[i];
            sum = rank == 0 ? part : sum + part;
        }
        pending.into[i] = sum;
    }
    comm->done += 1;
    comm->shared->left[comm->rank] = comm->done;
    pending.comm = NULL;
    return 1;
}

static void wait_for_all(void) {
    while (!progress()) sched_yield();
}

API int ncclGetVersion(int *version) {
    *version = 22703;
    return 0;
}

API int ncclGetUniqueId(unique_id *id) {
    const char *folder = getenv("ZOMMA_MOCK_NCCL");
    memset(id, 0, sizeof *id);
    if (!folder) return SYSTEM_ERROR;
    int length = snprintf(id->internal, sizeof id->internal, "%s/nccl-XXXXXX", folder);
    if (length >= (int)sizeof id->internal) return SYSTEM_ERROR;
    int file = mkstemp(id->internal);
    if (file < 0) return SYSTEM_ERROR;
    close(file);
    return 0;
}

API int ncclCommInitRank(struct comm **comm, int ranks, unique_id id, int rank) {
    if (ranks > RANKS || rank >= ranks) return BAD_ARGUMENT;
    struct comm *made = calloc(1, sizeof *made);
    made->bytes = sizeof(struct shared) + ranks * SLOT_BYTES;
    int file = open(id.internal, O_RDWR);
    if (file < 0 || ftruncate(file, made->bytes)) return SYSTEM_ERROR;
    made->shared = mmap(NULL, made->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (made->shared == MAP_FAILED) return SYSTEM_ERROR;
    made->slots = (char *)(made->shared + 1);
    made->rank = rank;
    made->ranks = ranks;
    *comm = made;
    return 0;
}

API int ncclCommAbort(struct comm *comm) {
    if (pending.comm == comm) pending.comm = NULL;
    munmap(comm->shared, comm->bytes);
    free(comm);
    return 0;
}

API int ncclAllReduce(const void *own, void *into, size_t count, int type, int operation, struct comm *comm, void *stream) {
    (void)stream;
    const int float32 = 7, sum = 0;
    if (type != float32 || operation != sum || count * sizeof(float) > SLOT_BYTES) return BAD_ARGUMENT;
    wait_for_all();
    pending.own = own;
    pending.into = into;
    pending.count = count;
    pending.given = 0;
    pending.comm = comm;
    return 0;
}

API const char *ncclGetErrorString(int code) {
    (void)code;
    return "the mock's";
}

/* The driver. */

static int nothing(void) { return 0; }

API int cuInit(unsigned flags) { (void)flags; return nothing(); }
API int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
/* No memory pools: memory comes at once. */
API int cuDeviceGetAttribute(int *value, int attribute, int device) { (void)attribute; (void)device; *value = 0; return 0; }
API int cuDevicePrimaryCtxRetain(void **context, int device) { (void)device; *context = &pending; return 0; }
API int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return 0; }
API int cuCtxSetCurrent(void *context) { (void)context; return 0; }
API int cuCtxGetCurrent(void **context) { *context = &pending; return 0; }
API int cuCtxSynchronize(void) { wait_for_all(); return 0; }
API int cuStreamCreate(void **stream, unsigned flags) { (void)flags; *stream = malloc(1); return 0; }
API int cuStreamDestroy_v2(void *stream) { free(stream); return 0; }
API int cuStreamSynchronize(void *stream) { (void)stream; wait_for_all(); return 0; }
API int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { (void)stream; (void)event; (void)flags; return 0; }
API int cuEventCreate(void **event, unsigned flags) { (void)flags; *event = malloc(1); return 0; }
API int cuEventDestroy_v2(void *event) { free(event); return 0; }
API int cuEventRecord(void *event, void *stream) { (void)event; (void)stream; return 0; }
API int cuEventQuery(void *event) { (void)event; return progress() ? 0 : NOT_READY; }
API int cuEventSynchronize(void *event) { (void)event; wait_for_all(); return 0; }
API int cuMemAlloc_v2(unsigned long long *pointer, size_t bytes) {
    *pointer = (unsigned long long)malloc(bytes);
    return *pointer ? 0 : 2;
}
API int cuMemFree_v2(unsigned long long pointer) { free((void *)pointer); return 0; }
API int cuMemsetD8Async(unsigned long long pointer, unsigned char value, size_t bytes, void *stream) {
    (void)stream;
    wait_for_all();
    memset((void *)pointer, value, bytes);
    return 0;
}
API int cuMemcpyHtoDAsync_v2(unsigned long long into, const void *from, size_t bytes, void *stream) {
    (void)stream;
    wait_for_all();
    memcpy((void *)into, from, bytes);
    return 0;
}
API int cuMemcpyDtoHAsync_v2(void *into, unsigned long long from, size_t bytes, void *stream) {
    (void)stream;
    wait_for_all();
    memcpy(into, (const void *)from, bytes);
    return 0;
}
