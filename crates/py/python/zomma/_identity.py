"""Which GPU a device is, however numbered: its UUID and its place on the PCI bus."""

from __future__ import annotations

import re
from typing import Any, NamedTuple


class Identity(NamedTuple):
    """What is known of a GPU; None is not known."""

    uuid: str | None = None
    """Hexadecimal digits alone."""
    pci: str | None = None
    """Domain, bus and device: 0000:3b:00."""

    @classmethod
    def of(cls, uuid: object, pci: object) -> Identity:
        """From whatever spelling a driver or framework has."""
        digits = uuid.hex() if isinstance(uuid, bytes) else re.sub(r"^(GPU|MIG)-|-", "", str(uuid), flags=re.IGNORECASE)
        known = uuid is not None and re.fullmatch(r"[0-9a-fA-F]{32}", digits)
        place = re.fullmatch(r"(?:([0-9a-fA-F]+):)?([0-9a-fA-F]+):([0-9a-fA-F]+)(?:\.[0-9a-fA-F])?", str(pci))
        if place is None:
            return cls(digits.lower() if known else None, None)
        domain, bus, slot = (int(part or "0", 16) for part in place.groups())
        return cls(digits.lower() if known else None, f"{domain:04x}:{bus:02x}:{slot:02x}")

    def is_comparable(self, other: Identity) -> bool:
        """Whether both know something of one kind."""
        return bool(self.uuid and other.uuid or self.pci and other.pci)

    def is_same(self, other: Identity) -> bool:
        """Whether both are one GPU, as far as is known. Slices of one GPU share its place and differ by UUID."""
        if self.uuid and other.uuid:
            return self.uuid == other.uuid
        return self.pci is not None and self.pci == other.pci

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.uuid and f"UUID {self.uuid}", self.pci and f"PCI {self.pci}"))) or "unknown"


def pci_of(properties: Any) -> str | None:
    """The place on the bus that torch's device properties tell, in versions that do."""
    try:
        return f"{properties.pci_domain_id:04x}:{properties.pci_bus_id:02x}:{properties.pci_device_id:02x}"
    except AttributeError:
        return None
