"""The device object of PyTorch, TensorFlow, CuPy or JAX for the device that Zomma chose."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

from zomma._errors import DeviceError, MissingFramework
from zomma._identity import Identity, identity_of, pci_of
from zomma._zomma import Device, choose


class _Framework(NamedTuple):
    """How a framework is imported and installed."""

    module: str
    commands: dict[str, str]


_FRAMEWORKS = {
    "pytorch": _Framework(
        "torch",
        {
            "CPU": "pip install torch --index-url https://download.pytorch.org/whl/cpu",
            "NVIDIA GPU": "pip install torch",
            "AMD GPU": "pip install torch --index-url https://download.pytorch.org/whl/rocm6.4",
            "conda, CPU": "conda install -c conda-forge pytorch-cpu",
            "conda, NVIDIA GPU": "conda install -c conda-forge pytorch-gpu",
        },
    ),
    "tensorflow": _Framework(
        "tensorflow",
        {
            "CPU": "pip install tensorflow-cpu",
            "NVIDIA GPU": "pip install 'tensorflow[and-cuda]'",
            "AMD GPU": "pip install tensorflow-rocm",
            "conda, CPU": "conda install -c conda-forge tensorflow-cpu",
            "conda, NVIDIA GPU": "conda install -c conda-forge tensorflow-gpu",
        },
    ),
    "cupy": _Framework(
        "cupy",
        {
            "NVIDIA GPU, CUDA 12": "pip install cupy-cuda12x",
            "NVIDIA GPU, CUDA 13": "pip install cupy-cuda13x",
            "conda, NVIDIA GPU": "conda install -c conda-forge cupy",
        },
    ),
    "jax": _Framework(
        "jax",
        {
            "CPU": "pip install jax",
            "NVIDIA GPU, CUDA 12": "pip install 'jax[cuda12]'",
            "NVIDIA GPU, CUDA 13": "pip install 'jax[cuda13]'",
            "conda, CPU": "conda install -c conda-forge jax",
            "conda, NVIDIA GPU": "conda install -c conda-forge jax 'jaxlib=*=*cuda*'",
        },
    ),
}

_OTHER_NAMES = {"torch": "pytorch", "tf": "tensorflow"}


def device(framework: str, index: int | str | Device | None = None) -> Any:
    """The framework's own device object for the device that Zomma chose.

    `framework` is 'pytorch', 'tensorflow', 'cupy' or 'jax'. `index` is None for what `choose('auto')` takes, a number n for the CUDA
    device n, a request such as 'cpu' or 'cuda:1', or a Device. The result is a

    - torch.device for 'pytorch';
    - tf.config.LogicalDevice for 'tensorflow' (`with tf.device(it.name):`);
    - cupy.cuda.Device for 'cupy' (`with it:`);
    - jax.Device for 'jax' (`jax.device_put(x, it)`).

    CUDA devices are matched by UUID or PCI address where the framework tells them, else by their number, which
    CUDA_VISIBLE_DEVICES changes for Zomma and the framework alike.

    MissingFramework where the framework cannot be imported; DeviceError where the device is not there or the framework cannot use
    it, for instance a CPU build asked for a GPU: it is never replaced by another device.

    >>> import zomma
    >>> zomma.gpu.device("pytorch", "cpu")  # doctest: +SKIP
    device(type='cpu')
    """
    name = _OTHER_NAMES.get(framework, framework)
    if name not in _FRAMEWORKS:
        raise ValueError(f"framework: {framework!r}: allowed are {', '.join(map(repr, _FRAMEWORKS))}")
    module = _import(name)
    return _RESOLVERS[name](module, _chosen(index))


def _chosen(index: int | str | Device | None) -> Device:
    """The device that the argument `index` means."""
    if index is None:
        return choose("auto")
    if isinstance(index, Device):
        return index
    if isinstance(index, str):
        return choose(index)
    if isinstance(index, bool) or not isinstance(index, int):
        raise TypeError(f"index: {index!r}: allowed are None, a number, a request such as 'cuda:0', and a zomma.gpu.Device")
    if index < 0:
        raise ValueError(f"index: {index}: must not be negative")
    return choose(f"cuda:{index}")


def _import(name: str) -> Any:
    """The framework's module."""
    framework = _FRAMEWORKS[name]
    try:
        return importlib.import_module(framework.module)
    except ImportError as error:
        cause = error
    # A module that the framework itself lacks is another matter than the framework.
    missing = isinstance(cause, ModuleNotFoundError) and cause.name == framework.module
    reason = f"no module named {framework.module!r}" if missing else f"cannot be imported: {cause}"
    commands = "\n".join(f"  {use:<20} {command}" for use, command in framework.commands.items())
    what = "is not installed" if missing else "is installed, and broken"
    message = f"{name} {what} ({reason}). Install it by one of\n{commands}"
    raise MissingFramework(message, name, framework.module, framework.commands) from cause


def _refuse(name: str, module: Any, device: Device, why: str) -> DeviceError:
    """The error where a framework cannot use the device."""
    version = getattr(module, "__version__", "of unknown version")
    commands = _FRAMEWORKS[name].commands
    installs = " or ".join(command for use, command in commands.items() if use.startswith("NVIDIA"))
    return DeviceError(
        f"{name} {version} cannot use {device.request} ({device.name}): {why}. "
        f"For a build with GPU support: {installs}; for the CPU ask for device({name!r}, 'cpu')"
    )


def _pytorch(torch: Any, device: Device) -> Any:
    if device.kind == "cpu":
        return torch.device("cpu")
    if device.kind != "cuda":
        raise _refuse("pytorch", torch, device, f"it has no {device.kind} devices")
    if torch.version.cuda is None:
        raise _refuse("pytorch", torch, device, "this build has no CUDA support")
    if not torch.cuda.is_available():
        raise _refuse("pytorch", torch, device, "torch.cuda.is_available() is False")
    identities = []
    for ordinal in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(ordinal)
        identities.append(Identity.of(getattr(properties, "uuid", None), pci_of(properties)))
    ordinal = _ordinal("pytorch", torch, device, identities)
    return torch.device("cuda", ordinal)


def _tensorflow(tf: Any, device: Device) -> Any:
    if device.kind == "cpu":
        return tf.config.list_logical_devices("CPU")[0]
    if device.kind != "cuda":
        raise _refuse("tensorflow", tf, device, f"it has no {device.kind} devices")
    if not tf.test.is_built_with_cuda():
        raise _refuse("tensorflow", tf, device, "this build has no CUDA support")
    # TensorFlow says no UUID; its physical devices are CUDA's own, in CUDA's order.
    physical = tf.config.list_physical_devices("GPU")
    ordinal = _ordinal("tensorflow", tf, device, [Identity()] * len(physical))
    before = 0
    for visible in tf.config.get_visible_devices("GPU"):
        if visible == physical[ordinal]:
            return tf.config.list_logical_devices("GPU")[before]
        # A physical device may be split into several logical ones.
        before += len(tf.config.get_logical_device_configuration(visible) or [None])
    raise _refuse("tensorflow", tf, device, "tf.config.set_visible_devices has hidden it")


def _cupy(cupy: Any, device: Device) -> Any:
    if device.kind != "cuda":
        raise _refuse("cupy", cupy, device, "it computes on NVIDIA GPUs alone")
    runtime = cupy.cuda.runtime
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        raise _refuse("cupy", cupy, device, f"CUDA answers {error}") from error
    identities = [Identity.of(None, runtime.deviceGetPCIBusId(ordinal)) for ordinal in range(count)]
    return cupy.cuda.Device(_ordinal("cupy", cupy, device, identities))


def _jax(jax: Any, device: Device) -> Any:
    if device.kind == "cpu":
        return jax.local_devices(backend="cpu")[0]
    if device.kind != "cuda":
        raise _refuse("jax", jax, device, f"it has no {device.kind} devices")
    try:
        gpus = jax.local_devices(backend="cuda")
    except RuntimeError as error:
        raise _refuse("jax", jax, device, str(error)) from error
    # Its devices carry CUDA's number, and may be fewer than CUDA's (jax_cuda_visible_devices).
    by_ordinal = {getattr(gpu, "local_hardware_id", gpu.id): gpu for gpu in gpus}
    if device.index not in by_ordinal:
        raise _refuse("jax", jax, device, f"it sees the CUDA devices {sorted(by_ordinal)} alone")
    return by_ordinal[device.index]


def _ordinal(name: str, module: Any, device: Device, identities: list[Identity]) -> int:
    """The framework's number of a CUDA device."""
    wanted = identity_of(device)
    for ordinal, identity in enumerate(identities):
        if identity.is_same(wanted):
            return ordinal
    if any(identity.is_comparable(wanted) for identity in identities):
        raise _refuse(name, module, device, f"none of its {len(identities)} GPUs is {wanted}")
    if device.index >= len(identities):
        raise _refuse(name, module, device, f"it sees {len(identities)} GPUs")
    return device.index


_RESOLVERS = {"pytorch": _pytorch, "tensorflow": _tensorflow, "cupy": _cupy, "jax": _jax}
