"""Which devices this machine has, and the device objects of other frameworks for them.

>>> import zomma
>>> zomma.gpu.choose("cpu").request
'cpu'
"""

from zomma._errors import DeviceError, MissingFramework
from zomma._frameworks import device
from zomma._inventory import Gpu, Inventory, inventory
from zomma._inventory import gpus as list
from zomma._zomma import Device, choose, devices

__all__ = ["Device", "DeviceError", "Gpu", "Inventory", "MissingFramework", "choose", "device", "devices", "inventory", "list"]
