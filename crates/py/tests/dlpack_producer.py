"""A producer of DLPack capsules made by hand, which can say whatever a test wants and counts how often it is ended."""

import ctypes

import numpy as np

POINTER = ctypes.c_void_p


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", POINTER),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class Legacy(ctypes.Structure):
    _fields_ = [("tensor", Tensor), ("context", POINTER), ("deleter", POINTER)]


class Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", POINTER),
        ("deleter", POINTER),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    ]


_new = ctypes.pythonapi.PyCapsule_New
_new.restype = ctypes.py_object
_new.argtypes = [POINTER, ctypes.c_char_p, POINTER]
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = POINTER
_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_name = ctypes.pythonapi.PyCapsule_GetName
_name.restype = ctypes.c_char_p
_name.argtypes = [ctypes.py_object]

# Kept for ever: a capsule does not copy its name.
_USED = {b"dltensor": b"used_dltensor", b"dltensor_versioned": b"used_dltensor_versioned"}


class Producer:
    """Values in memory of its own; the keywords change what the tensor says of them."""

    def __init__(self, values=(1.0, 2.0, 3.0), *, versioned=True, major=1, flags=0, shape=None, strides=None, offset=0, **says):
        self.values = np.array(values, dtype=np.float64)
        self.ended = 0
        self.asked = []
        self.device = (says.get("device_type", 1), 0)
        self._deleter = ctypes.CFUNCTYPE(None, POINTER)(self._end)
        shape = self.values.shape if shape is None else shape
        self._shape = (ctypes.c_int64 * max(len(shape), 1))(*shape)
        self._strides = None if strides is None else (ctypes.c_int64 * max(len(strides), 1))(*strides)
        tensor = Tensor(self.values.ctypes.data, 1, 0, len(shape), 2, 64, 1, self._shape, self._strides, offset)
        for field, value in says.items():
            setattr(tensor, field, value)
        deleter = ctypes.cast(self._deleter, POINTER)
        self.versioned = versioned
        self.managed = Versioned(major, 0, None, deleter, flags, tensor) if versioned else Legacy(tensor, None, deleter)

    def _end(self, pointer):
        assert pointer == ctypes.addressof(self.managed)
        self.ended += 1

    def capsule(self, name=None):
        self.name = name or (b"dltensor_versioned" if self.versioned else b"dltensor")
        return _new(ctypes.addressof(self.managed), self.name, None)

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **keywords):
        self.asked.append(keywords)
        if keywords and not self.versioned:
            raise TypeError("unexpected keywords")
        self.last = self.capsule()
        return self.last


class Consumer:
    """Takes a capsule as a framework does, and ends it when told, or with itself."""

    ended = True  # until there is something to end

    def __init__(self, capsule):
        name = _name(capsule)
        self.managed = (Versioned if name == b"dltensor_versioned" else Legacy).from_address(_pointer(capsule, name))
        assert ctypes.pythonapi.PyCapsule_SetName(ctypes.py_object(capsule), _USED[name]) == 0
        self.tensor = self.managed.tensor
        self.ended = False

    def values(self):
        assert (self.tensor.code, self.tensor.bits, self.tensor.lanes, self.tensor.device_type) == (2, 64, 1, 1)
        shape = self.tensor.shape[: self.tensor.ndim]
        strides = [8 * stride for stride in self.tensor.strides[: self.tensor.ndim]]
        first = (ctypes.c_double * 1).from_address(self.tensor.data + self.tensor.byte_offset)
        return np.lib.stride_tricks.as_strided(np.frombuffer(first), shape, strides)

    def end(self):
        assert not self.ended
        self.ended = True
        ctypes.CFUNCTYPE(None, POINTER)(self.managed.deleter)(ctypes.addressof(self.managed))

    def __del__(self):
        if not self.ended:
            self.end()


def name_of(capsule):
    return _name(capsule)
