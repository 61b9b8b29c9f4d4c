"""The GPUs of this machine, as `zomma gpu list --json` tells them."""

from __future__ import annotations

import json
from typing import Literal, TypedDict

from zomma._zomma import inventory_json


class Driver(TypedDict):
    """A kernel driver."""

    name: str
    version: str | None


class Link(TypedDict):
    """What joins a GPU to another."""

    kind: Literal["nvlink", "xgmi", "xelink", "pcie"]
    to: str
    """The other one's PCI address."""
    count: int
    bandwidth_bytes_per_second: int | None


class Partition(TypedDict):
    """A slice that is lent as a device of its own."""

    profile: str
    uuid: str | None
    memory_bytes: int | None


class BackEnd(TypedDict):
    """Whether Zomma can drive a GPU in one way."""

    kind: Literal["cpu", "cuda", "hip", "vulkan"]
    request: str | None
    """What `choose` takes, such as 'cuda:0'; None where it cannot."""
    why_not: str | None


class Gpu(TypedDict):
    """A GPU. None is what could not be read."""

    index: int
    vendor: Literal["nvidia", "amd", "intel", "software", "other"]
    name: str | None
    uuid: str | None
    pci: str | None
    pci_id: str | None
    memory_bytes: int | None
    architecture: str | None
    """CUDA compute capability ('9.0') or gfx target ('gfx942')."""
    multiprocessors: int | None
    numa_node: int | None
    cpus: list[int] | None
    driver: Driver | None
    ecc: bool | None
    links: list[Link]
    partitions: list[Partition]
    back_ends: list[BackEnd]


class Inventory(TypedDict):
    """Everything that was found, and what could not be asked."""

    gpus: list[Gpu]
    notes: list[str]


def inventory() -> Inventory:
    """The GPUs of this machine, and in words what could not be asked: a driver, a library, a file.

    >>> import zomma
    >>> sorted(zomma.gpu.inventory())
    ['gpus', 'notes']
    """
    found: Inventory = json.loads(inventory_json())
    return found


def gpus() -> list[Gpu]:
    """The GPUs of this machine by their PCI addresses, whether Zomma can use them or not; software ones last.

    Each is a dict with the fields of `Gpu`; `back_ends` says what Zomma can drive it with, and why not with the others. No device is
    opened. `inventory()` also says what could not be asked.

    >>> import zomma
    >>> [gpu["name"] for gpu in zomma.gpu.list() if gpu["vendor"] == "nvidia"]  # doctest: +SKIP
    ['NVIDIA H200']
    """
    return inventory()["gpus"]
