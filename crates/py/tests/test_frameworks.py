"""Real frameworks: their device objects, and memory exchanged both ways. scripts/python-tests --frameworks installs them.

Each framework has an environment of its own, named by ZOMMA_FRAMEWORK; elsewhere these tests are skipped.
"""

import gc
import os

import numpy as np
import pytest
import zomma
from zomma import black_scholes, gpu

WANTED = os.environ.get("ZOMMA_FRAMEWORK")
STRIKES = np.linspace(80.0, 120.0, 1001)


def framework(name, module):
    """The module, or a skip: a framework that was asked for must be there."""
    if WANTED == name:
        return __import__(module)
    return pytest.skip(f"no {name}: scripts/python-tests --frameworks")


@pytest.fixture(scope="module")
def torch():
    return framework("pytorch", "torch")


@pytest.fixture(scope="module")
def jax():
    module = framework("jax", "jax")
    module.config.update("jax_enable_x64", True)
    return module


@pytest.fixture(scope="module")
def tf():
    return framework("tensorflow", "tensorflow")


def prices(strike):
    return black_scholes.price("put", 100.0, strike, 0.5, 0.05, 0.2)


def test_pytorch_device(torch):
    device = gpu.device("pytorch", "cpu")
    assert device == torch.device("cpu")
    assert torch.zeros(3, device=device).device == device


def test_pytorch_takes_and_gives_the_same_memory(torch):
    array = zomma.Array(STRIKES)
    tensor = torch.from_dlpack(array)
    assert tensor.data_ptr() == array.pointer and tensor.dtype == torch.float64
    tensor[0] = 77.0
    assert array[0] == 77.0
    del array
    gc.collect()
    assert tensor[1000] == 120.0
    back = zomma.from_dlpack(tensor)
    assert back.pointer == tensor.data_ptr()
    column = zomma.from_dlpack(tensor[:1000].reshape(10, 100).T)
    assert column.shape == (100, 10) and column.strides == (8, 800)
    del tensor
    gc.collect()
    assert back[0] == 77.0


def test_pytorch_round_trip_and_pricing(torch):
    tensor = torch.from_numpy(STRIKES.copy())
    again = torch.from_dlpack(zomma.from_dlpack(tensor))
    assert again.data_ptr() == tensor.data_ptr()
    np.testing.assert_array_equal(prices(tensor), prices(STRIKES))
    np.testing.assert_array_equal(prices(tensor.float()), prices(STRIKES.astype(np.float32)))
    with pytest.raises(BufferError, match="float32"):
        zomma.from_dlpack(tensor.float())
    wants_gradient = tensor.clone().requires_grad_()
    with pytest.raises((RuntimeError, BufferError), match="grad"):
        zomma.from_dlpack(wants_gradient)
    with pytest.raises(ValueError, match="strike: .*grad"):
        prices(wants_gradient)


def test_jax_device(jax):
    device = gpu.device("jax", "cpu")
    assert device == jax.local_devices(backend="cpu")[0]
    assert jax.device_put(STRIKES, device).devices() == {device}


def test_jax_takes_and_gives_the_same_memory(jax):
    array = zomma.Array(STRIKES)
    taken = jax.dlpack.from_dlpack(array)
    assert taken.unsafe_buffer_pointer() == array.pointer and taken.dtype == np.float64
    del array
    gc.collect()
    np.testing.assert_array_equal(taken, STRIKES)
    given = zomma.from_dlpack(taken)
    assert given.pointer == taken.unsafe_buffer_pointer()
    assert given.readonly, "arrays of jax never change"
    del taken
    gc.collect()
    np.testing.assert_array_equal(given, STRIKES)


def test_jax_pricing(jax):
    strikes = jax.numpy.asarray(STRIKES)
    np.testing.assert_array_equal(prices(strikes), prices(STRIKES))
    np.testing.assert_array_equal(prices(strikes.astype("float32")), prices(STRIKES.astype(np.float32)))
    with pytest.raises(BufferError, match="float32"):
        zomma.from_dlpack(strikes.astype("float32"))


def test_tensorflow_device(tf):
    device = gpu.device("tensorflow", "cpu")
    assert device == tf.config.list_logical_devices("CPU")[0]
    with tf.device(device.name):
        assert tf.zeros(3).device.endswith("CPU:0")


def test_tensorflow_takes_and_gives_the_same_memory(tf):
    array = zomma.Array(STRIKES)
    taken = tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    np.testing.assert_array_equal(taken.numpy(), STRIKES)
    pointer = array.pointer
    del array
    gc.collect()
    given = zomma.from_dlpack(taken)
    assert given.pointer == pointer, "there and back, and never copied"
    del taken
    gc.collect()
    np.testing.assert_array_equal(given, STRIKES)


def test_tensorflow_pricing(tf):
    strikes = tf.constant(STRIKES)
    np.testing.assert_array_equal(prices(strikes), prices(STRIKES))
    with pytest.raises(BufferError, match="float32"):
        zomma.from_dlpack(tf.constant([1.0], dtype=tf.float32))


@pytest.mark.parametrize("name", ["pytorch", "jax", "tensorflow"])
def test_cpu_build_is_never_given_a_gpu(name):
    framework(name, {"pytorch": "torch"}.get(name, name))
    with pytest.raises(gpu.DeviceError, match="cuda:0: |cannot use cuda:0"):
        gpu.device(name, 0)


def test_cupy_takes_and_gives_on_its_gpu():
    cupy = pytest.importorskip("cupy", reason="no cupy")
    with gpu.device("cupy"):
        values = cupy.asarray(STRIKES)
        with pytest.raises(BufferError, match="lies on cuda"):
            zomma.from_dlpack(values)
        np.testing.assert_array_equal(zomma.from_dlpack(values, device="cpu"), STRIKES)
