"""zomma.Array: what it holds, and its exchange by DLPack and NumPy's own protocols."""

import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
import zomma
from dlpack_producer import Consumer, Producer, name_of

LATEST = {"max_version": (1, 0)}
NUMPY_SPEAKS_1_0 = np.lib.NumpyVersion(np.__version__) >= "2.1.0"


def flags_of(capsule):
    consumer = Consumer(capsule)
    return consumer.managed.flags


def test_an_array_is_an_aligned_copy():
    values = np.arange(70.0).reshape(7, 10)
    array = zomma.Array(values)
    assert (array.shape, array.strides, array.ndim, array.size, array.nbytes) == ((7, 10), (80, 8), 2, 70, 560)
    assert array.dtype == np.float64 and array.device == "cpu" and array.readonly is False and len(array) == 7
    assert array.pointer % 256 == 0 and array.pointer != values.ctypes.data
    values[:] = 0
    np.testing.assert_array_equal(array, np.arange(70.0).reshape(7, 10))
    assert array[1, 2] == 12.0 and list(zomma.Array([1, 2])) == [1.0, 2.0]


@pytest.mark.parametrize("values", [5, [], [[], []], [[[1.5]]], range(4), np.float32([1, 2]), np.arange(6.0)[::-2]])
def test_anything_array_like_is_taken(values):
    expected = np.asarray(values, dtype=np.float64)
    array = zomma.Array(values)
    assert array.shape == expected.shape
    np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array)), expected)


@pytest.mark.parametrize("values", ["x", None, [1j], ["a"], [True], object()])
def test_what_is_no_number_is_refused(values):
    with pytest.raises(TypeError, match="^values: dtype"):
        zomma.Array(values)


def test_the_text_shows_the_values():
    assert repr(zomma.Array([1.0, 2.5])) == "zomma.Array([1. , 2.5])"
    with pytest.raises(TypeError, match="without dimensions"):
        len(zomma.Array(1.0))


# NumPy's protocols


def test_numpy_sees_the_same_memory():
    array = zomma.Array([1.0, 2.0, 3.0])
    for view in (np.asarray(array), np.from_dlpack(array) if NUMPY_SPEAKS_1_0 else np.asarray(array), array.__array__()):
        assert view.ctypes.data == array.pointer
    np.asarray(array)[1] = 7.0
    assert array[1] == 7.0
    assert np.array(array).ctypes.data != array.pointer


def test_the_dtype_and_copy_of_array():
    array = zomma.Array([1.5, 2.0])
    assert array.__array__(np.float64).ctypes.data == array.pointer
    assert array.__array__(copy=True).ctypes.data != array.pointer
    assert array.__array__(np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="float32: needs a copy"):
        array.__array__(np.float32, copy=False)


def test_a_view_keeps_the_memory():
    array = zomma.Array(np.arange(1000.0))
    view, alive = np.asarray(array), weakref.ref(array)
    del array
    gc.collect()
    assert alive() is not None
    np.testing.assert_array_equal(view, np.arange(1000.0))
    del view
    assert alive() is None


# taking


@pytest.mark.parametrize("versioned", [True, False])
def test_taking_copies_nothing_and_ends_once(versioned):
    producer = Producer([1.0, 2.0, 3.0], versioned=versioned)
    array = zomma.from_dlpack(producer)
    assert array.pointer == producer.values.ctypes.data
    assert name_of(producer.last) == (b"used_dltensor_versioned" if versioned else b"used_dltensor")
    producer.values[0] = 9.0
    assert array[0] == 9.0
    view = np.asarray(array)
    del array
    assert producer.ended == 0
    del view
    assert producer.ended == 1


def test_numpy_memory_is_shared_and_outlives_its_array():
    x = np.arange(12.0).reshape(3, 4)[::-1, ::2]
    array, alive = zomma.from_dlpack(x), weakref.ref(x)
    assert array.pointer == x.ctypes.data and array.strides == x.strides
    expected = x.copy()
    del x
    gc.collect()
    np.testing.assert_array_equal(array, expected)
    del array
    assert alive() is None


@pytest.mark.parametrize("readonly", [True, False])
def test_the_read_only_flag(readonly):
    array = zomma.from_dlpack(Producer(flags=int(readonly)))
    assert array.readonly is readonly
    assert np.asarray(array).flags.writeable is not readonly


def test_the_unversioned_protocol_counts_as_read_only_and_is_handed_on_as_it_came():
    array = zomma.from_dlpack(Producer(versioned=False))
    assert array.readonly and not np.asarray(array).flags.writeable
    assert name_of(array.__dlpack__()) == b"dltensor"
    assert flags_of(array.__dlpack__(**LATEST)) == 1


def test_a_producer_is_asked_for_the_newest_version_first():
    new, old = Producer(), Producer(versioned=False)
    zomma.from_dlpack(new)
    zomma.from_dlpack(old)
    assert new.asked == [{"max_version": (1, 0)}]
    assert old.asked == [{"max_version": (1, 0)}, {}]


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (dict(shape=(2, 3), strides=None), [[1, 2, 3], [4, 5, 6]]),
        (dict(shape=(3, 2), strides=(1, 3)), [[1, 4], [2, 5], [3, 6]]),
        (dict(shape=(3,), strides=(-2,), offset=32), [5, 3, 1]),
        (dict(shape=(2, 2), strides=(0, 1)), [[1, 2], [1, 2]]),
        (dict(shape=()), 1),
        (dict(shape=(0,)), []),
        (dict(shape=(2, 0), strides=(7, 7)), [[], []]),
        (dict(shape=(0,), data=None), []),
    ],
    ids=["compact", "columns", "negative", "repeated", "scalar", "empty", "empty strides", "empty null"],
)
def test_layouts(says, expected):
    array = zomma.from_dlpack(Producer([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], **says))
    expected = np.array(expected, dtype=np.float64)
    assert array.shape == expected.shape
    for read in (np.asarray(array), np.asarray(array.copy()), np.asarray(zomma.from_dlpack(array))):
        np.testing.assert_array_equal(read, expected)
    price = zomma.black_scholes.price("call", 100.0, np.where(expected > 0, 100.0, 1.0), 1.0, 0.0, array)
    np.testing.assert_array_equal(price, zomma.black_scholes.price("call", 100.0, np.full_like(expected, 100.0), 1.0, 0.0, expected))


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (dict(bits=32), "dtype float32: a zomma.Array holds float64"),
        (dict(code=0), "dtype int64"),
        (dict(code=4, bits=16), "dtype bfloat16"),
        (dict(code=5, bits=128), "dtype complex128"),
        (dict(lanes=4), "dtype float64x4"),
        (dict(ndim=-1), "ndim -1: must not be negative"),
        (dict(shape=(-3,)), r"-3 must not be negative"),
        (dict(shape=(2**62, 4)), "more than memory can hold"),
        (dict(shape=(0, 2**62, 4)), "more than memory can hold"),
        (dict(shape=(2, 2), strides=(2**62, 1)), "more than memory can hold"),
        (dict(shape=(2,), strides=(-(2**63),)), "more than memory can hold"),
        (dict(data=None), "the data is a null pointer"),
        (dict(shape=(2,), offset=4), "not aligned to 8 bytes"),
        (dict(major=2), "DLPack 2.0: only version 1 is understood"),
    ],
)
def test_what_cannot_be_taken_says_why_and_is_ended_once(says, words):
    producer = Producer(**says)
    with pytest.raises(BufferError, match=words):
        zomma.from_dlpack(producer)
    del producer.last
    gc.collect()
    assert producer.ended == 1


@pytest.mark.parametrize(("number", "name"), [(2, "cuda:0"), (10, "rocm:0"), (7, "vulkan:0"), (99, "device type 99, number 0")])
def test_memory_of_a_device_is_refused_before_it_is_asked_for(number, name):
    producer = Producer(device_type=number)
    with pytest.raises(BufferError, match=f"lies on {name}"):
        zomma.from_dlpack(producer)
    assert producer.asked == []
    with pytest.raises(ValueError, match=f"spot: lies on {name}"):
        zomma.black_scholes.price("call", producer, 100.0, 1.0, 0.0, 0.2)
    with pytest.raises(BufferError, match=f"lies on {name}"):
        zomma.from_dlpack(producer, device="cpu")
    assert producer.asked == [{"max_version": (1, 0), "dl_device": (1, 0)}] and producer.ended == 1


def test_pinned_host_memory_is_host_memory():
    assert zomma.from_dlpack(Producer(device_type=3)).shape == (3,)


def test_copies_on_request():
    producer = Producer()
    copy = zomma.from_dlpack(producer, copy=True)
    assert copy.pointer != producer.values.ctypes.data and not copy.readonly and producer.ended == 1
    x = np.arange(3.0)
    if NUMPY_SPEAKS_1_0:
        assert zomma.from_dlpack(x, copy=False, device="cpu").pointer == x.ctypes.data
    with pytest.raises(TypeError):
        zomma.from_dlpack(Producer(versioned=False), copy=False)


def test_what_does_not_speak_is_refused():
    with pytest.raises(TypeError, match="list has no __dlpack__: use zomma.Array"):
        zomma.from_dlpack([1.0])
    with pytest.raises(ValueError, match="device 'cuda': allowed are None and 'cpu'"):
        zomma.from_dlpack(np.zeros(1), device="cuda")

    class Strange:
        def __dlpack__(self, **_):
            return self.answer

    strange = Strange()
    for answer, exception, words in [
        (5, TypeError, "Strange.__dlpack__ returned no capsule"),
        (Producer().capsule(b"tensor"), ValueError, "a capsule named \"tensor\": allowed are dltensor and dltensor_versioned"),
        (Producer().capsule(b"used_dltensor"), ValueError, "consumed already"),
    ]:
        strange.answer = answer
        with pytest.raises(exception, match=words):
            zomma.from_dlpack(strange)


# giving


@pytest.mark.parametrize("keywords", [{}, LATEST, {"max_version": (2, 5)}, {"max_version": (0, 8)}])
def test_a_capsule_nobody_took_frees_the_memory(keywords):
    producer = Producer()
    capsule = zomma.from_dlpack(producer).__dlpack__(**keywords)
    assert name_of(capsule) == (b"dltensor_versioned" if keywords.get("max_version", (0,))[0] >= 1 else b"dltensor")
    gc.collect()
    assert producer.ended == 0
    del capsule
    assert producer.ended == 1


@pytest.mark.parametrize("keywords", [{}, LATEST])
def test_a_consumer_keeps_the_memory_until_it_ends(keywords):
    producer = Producer([1.0, 2.0, 3.0, 4.0], shape=(2, 2), strides=(1, 2))
    array = zomma.from_dlpack(producer)
    consumer = Consumer(array.__dlpack__(**keywords))
    del array
    gc.collect()
    assert producer.ended == 0 and consumer.tensor.data == producer.values.ctypes.data
    assert consumer.values().tolist() == [[1.0, 3.0], [2.0, 4.0]]
    consumer.end()
    assert producer.ended == 1


def test_a_consumer_may_end_on_any_thread():
    producer = Producer()
    consumer = Consumer(zomma.from_dlpack(producer).__dlpack__(**LATEST))
    thread = threading.Thread(target=consumer.end)  # ctypes gives up the interpreter's lock for the call
    thread.start()
    thread.join()
    assert producer.ended == 1


def test_many_consumers_end_at_once():
    producer = Producer(np.arange(1000.0))
    array = zomma.from_dlpack(producer)
    consumers = [Consumer(array.__dlpack__(**LATEST)) for _ in range(64)]
    threads = [threading.Thread(target=lambda part: [one.end() for one in part], args=(consumers[i::4],)) for i in range(4)]
    del array
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert producer.ended == 1


def test_what_a_capsule_says():
    consumer = Consumer(zomma.Array([[1.0, 2.0]]).__dlpack__(**LATEST))
    managed = consumer.managed
    assert (managed.major, managed.flags, managed.tensor.ndim, managed.tensor.byte_offset) == (1, 0, 2, 0)
    assert zomma.Array(1.0).__dlpack_device__() == (1, 0)
    empty = Consumer(zomma.Array([]).__dlpack__())
    assert empty.tensor.data is None


def test_a_read_only_array_needs_the_flag_or_a_copy():
    array = zomma.from_dlpack(Producer(flags=1))
    with pytest.raises(BufferError, match="read-only"):
        array.__dlpack__()
    copy = Consumer(array.__dlpack__(copy=True))
    assert copy.tensor.data != array.pointer and copy.values().tolist() == [1.0, 2.0, 3.0]
    assert flags_of(array.__dlpack__(copy=True, **LATEST)) == 2
    assert flags_of(array.__dlpack__(**LATEST)) == 1


def test_requests_that_host_memory_cannot_meet():
    array = zomma.Array([1.0])
    with pytest.raises(BufferError, match="stream 1: host memory has no streams"):
        array.__dlpack__(stream=1)
    with pytest.raises(BufferError, match="dl_device cuda:0"):
        array.__dlpack__(dl_device=(2, 0))
    assert name_of(array.__dlpack__(stream=None, dl_device=(1, 0), copy=False)) == b"dltensor"


def test_nothing_leaks():
    """Ten thousand exchanges of a megabyte each way leave the process as large as it was."""
    resource = pytest.importorskip("resource", reason="no resource module")
    x = np.zeros(131_072)

    def exchange(times):
        for _ in range(times):
            array = zomma.from_dlpack(x)
            np.asarray(zomma.Array(array) if _ % 100 == 0 else array)
            array.__dlpack__(**LATEST)
            if NUMPY_SPEAKS_1_0:
                np.from_dlpack(array.copy() if _ % 100 == 0 else array)

    exchange(500)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    exchange(10_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024  # KiB; a hundred lost copies are 100 MiB
