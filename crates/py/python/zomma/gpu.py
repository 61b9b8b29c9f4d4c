"""Which devices this machine has, and the device objects of other frameworks for them.

>>> import zomma
>>> zomma.gpu.choose("cpu").request
'cpu'
"""

from zomma._errors import DeviceError, MissingFramework
from zomma._frameworks import device
from zomma._zomma import Device, choose, devices

__all__ = ["Device", "DeviceError", "MissingFramework", "choose", "device", "devices"]
