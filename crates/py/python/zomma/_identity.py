"""Which GPU a device is, however numbered: its UUID and its place on the PCI bus."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from zomma._inventory import gpus
from zomma._zomma import Device


class Identity(NamedTuple):
    """What is known of a GPU; None is not known."""

    uuid: str | None = None
    """Hexadecimal digits alone."""
    pci: str | None = None
    """Domain, bus and device: 0000:3b:00."""

    @classmethod
    def of(cls, uuid: object, pci: object) -> Identity:
        """From whatever spelling a driver or framework has."""
        digits = uuid.hex() if isinstance(uuid, bytes) else re.sub(r"^GPU-|-", "", str(uuid), flags=re.IGNORECASE)
        known = uuid is not None and re.fullmatch(r"[0-9a-fA-F]{32}", digits)
        place = re.fullmatch(r"(?:([0-9a-fA-F]+):)?([0-9a-fA-F]+):([0-9a-fA-F]+)(?:\.[0-9a-fA-F])?", str(pci))
        if place is None:
            return cls(digits.lower() if known else None, None)
        domain, bus, slot = (int(part or "0", 16) for part in place.groups())
        return cls(digits.lower() if known else None, f"{domain:04x}:{bus:02x}:{slot:02x}")

    def is_comparable(self, other: Identity) -> bool:
        """Whether both know something of one kind."""
        return bool(self.pci and other.pci or self.uuid and other.uuid)

    def is_same(self, other: Identity) -> bool:
        """Whether both are one GPU, as far as is known. One process sees one slice of a GPU at most, so its place tells it."""
        if self.pci and other.pci:
            return self.pci == other.pci
        return self.uuid is not None and self.uuid == other.uuid

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.uuid and f"UUID {self.uuid}", self.pci and f"PCI {self.pci}"))) or "unknown"


def pci_of(properties: Any) -> str | None:
    """The place on the bus that torch's device properties tell, in versions that do."""
    try:
        return f"{properties.pci_domain_id:04x}:{properties.pci_bus_id:02x}:{properties.pci_device_id:02x}"
    except AttributeError:
        return None


def identity_of(device: Device) -> Identity:
    """Which GPU a device of Zomma's is."""
    for gpu in gpus():
        if any(back_end["request"] == device.request for back_end in gpu["back_ends"]):
            # CUDA tells a slice's own UUID where the GPU is sliced, not the GPU's.
            return Identity.of(None if gpu["partitions"] else gpu["uuid"], gpu["pci"])
    return Identity()
