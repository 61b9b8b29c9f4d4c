"""Which device a request means, and the frameworks' own objects for it, by stand-ins for frameworks and GPUs."""

import dataclasses
import sys
from types import SimpleNamespace

import pytest

from zomma import _frameworks, _identity, gpu
from zomma._identity import Identity

UUIDS = ["00000000-1111-2222-3333-444444444444", "55555555-6666-7777-8888-999999999999"]
PLACES = ["0000:3B:00.0", "0000:5E:00.0"]


@dataclasses.dataclass(frozen=True)
class Found:
    """A device as Zomma finds it on a machine that has GPUs."""

    kind: str = "cuda"
    index: int = 0
    name: str = "NVIDIA H200"
    uuid: str | None = dataclasses.field(default=None, kw_only=True)
    pci: str | None = dataclasses.field(default=None, kw_only=True)
    partitions: tuple = ()

    @property
    def request(self):
        return f"{self.kind}:{self.index}"


def of_inventory(found):
    """The GPU as the inventory tells it."""
    back_ends = [{"kind": found.kind, "request": found.request, "why_not": None}]
    return {"uuid": found.uuid, "pci": found.pci, "partitions": found.partitions, "back_ends": back_ends}


@pytest.fixture
def stand_in(monkeypatch):
    """Puts a framework under its name, and makes Zomma choose a device."""

    def install(name, module, chosen=None):
        monkeypatch.setitem(sys.modules, name, module)
        if chosen is not None:
            monkeypatch.setattr(_frameworks, "choose", lambda request: chosen)
            monkeypatch.setattr(_identity, "gpus", lambda: [of_inventory(Found(index=77, uuid=UUIDS[0])), of_inventory(chosen)])

    return install


def torch(gpus=2, cuda="12.8", uuids=UUIDS, available=True):
    def properties(ordinal):
        return SimpleNamespace(**({"uuid": uuids[ordinal]} if uuids else {}))

    return SimpleNamespace(
        __version__="2.9.0",
        version=SimpleNamespace(cuda=cuda),
        cuda=SimpleNamespace(is_available=lambda: available, device_count=lambda: gpus, get_device_properties=properties),
        device=lambda *name: name,
    )


# choosing


def test_the_cpu_is_always_there():
    device = gpu.choose("cpu")
    assert (device.kind, device.index, device.request, device.has_f64, device.is_software) == ("cpu", 0, "cpu", True, True)
    assert str(device) == "cpu" and repr(device).startswith("<zomma.gpu.Device cpu: CPU, ")
    assert device == gpu.choose("cpu") and hash(device) == hash(gpu.choose("cpu"))
    assert gpu.devices()[0] == device


def test_auto_takes_one_of_the_devices():
    assert gpu.choose() == gpu.choose("auto")
    assert gpu.choose().request in {device.request for device in gpu.devices()}


@pytest.mark.parametrize("request_", ["gpu", "", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "vulkan:99999999999999999999"])
def test_what_is_no_request_names_what_is_allowed(request_):
    with pytest.raises(ValueError, match="allowed are auto, cpu, cuda"):
        gpu.choose(request_)


def test_a_device_that_is_not_there_says_why():
    with pytest.raises(gpu.DeviceError, match=r"^cuda:9999: "):
        gpu.choose("cuda:9999")


# the inventory


def test_the_list_is_the_inventorys():
    found = gpu.inventory()
    assert set(found) == {"gpus", "notes"} and all(isinstance(note, str) for note in found["notes"])
    assert gpu.list() == found["gpus"]
    for place, one in enumerate(found["gpus"]):
        assert one["index"] == place
        assert set(one) == set(gpu.Gpu.__annotations__), "the types say every field"


def test_what_the_list_says_can_be_chosen():
    for one in gpu.list():
        for back_end in one["back_ends"]:
            assert (back_end["request"] is None) != (back_end["why_not"] is None)
            if back_end["request"] is not None:
                assert gpu.choose(back_end["request"]).kind == back_end["kind"]


# frameworks


@pytest.mark.parametrize(("name", "module"), [("pytorch", "torch"), ("tensorflow", "tensorflow"), ("cupy", "cupy"), ("jax", "jax")])
def test_a_missing_framework_says_what_to_install(name, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"^{name} is ") as caught:
        gpu.device(name)
    error = caught.value
    assert isinstance(error, gpu.MissingFramework) and (error.framework, error.name) == (name, module)
    assert all(command in str(error) for command in error.commands.values())
    assert any("NVIDIA" in use for use in error.commands) and any(use.startswith("conda") for use in error.commands)


def test_a_framework_that_is_not_there_and_a_broken_one_are_told_apart(monkeypatch, tmp_path):
    monkeypatch.setattr(_frameworks, "_FRAMEWORKS", {"jax": _frameworks._Framework("zomma_test_absent", {"CPU": "pip install jax"})})
    with pytest.raises(gpu.MissingFramework, match=r"jax is not installed \(no module named 'zomma_test_absent'\)"):
        gpu.device("jax", "cpu")
    (tmp_path / "zomma_test_absent.py").write_text("import zomma_test_absent_too")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(gpu.MissingFramework, match=r"jax is installed, and broken \(.*zomma_test_absent_too"):
        gpu.device("jax", "cpu")


def test_arguments_of_device():
    with pytest.raises(ValueError, match="framework: 'keras': allowed are 'pytorch', 'tensorflow', 'cupy', 'jax'"):
        gpu.device("keras")


@pytest.mark.parametrize(("index", "exception"), [(-1, ValueError), (True, TypeError), (1.0, TypeError), ("gpu", ValueError)])
def test_a_bad_index_is_named(index, exception, stand_in):
    stand_in("torch", torch())
    with pytest.raises(exception, match="index: |allowed are auto"):
        gpu.device("torch", index)


def test_a_number_is_a_cuda_device(monkeypatch, stand_in):
    stand_in("torch", torch())
    asked = []
    monkeypatch.setattr(_frameworks, "choose", lambda request: asked.append(request) or Found(index=1))
    assert gpu.device("pytorch", 1) == ("cuda", 1)
    assert asked == ["cuda:1"]


def test_the_device_that_choose_gave_is_taken(stand_in):
    stand_in("torch", torch())
    assert gpu.device("torch", gpu.choose("cpu")) == ("cpu",)


def test_pytorch_is_matched_by_uuid(stand_in):
    for uuid, ordinal in zip(UUIDS, (0, 1)):
        stand_in("torch", torch(), Found(index=5, uuid=f"GPU-{uuid}"))
        assert gpu.device("pytorch") == ("cuda", ordinal)
    stand_in("torch", torch(), Found(uuid="GPU-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"))
    with pytest.raises(gpu.DeviceError, match="none of its 2 GPUs is UUID aaaaaaaabbbb"):
        gpu.device("pytorch")


def test_a_sliced_gpu_is_told_by_its_place(stand_in):
    """CUDA tells the UUID of the slice, the inventory that of the GPU."""
    stand_in("torch", torch(gpus=1), Found(uuid="GPU-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", partitions=({"profile": "1g.10gb"},)))
    assert gpu.device("pytorch") == ("cuda", 0)


def test_pytorch_without_uuids_goes_by_number(stand_in):
    stand_in("torch", torch(uuids=None), Found(index=1, uuid=f"GPU-{UUIDS[0]}"))
    assert gpu.device("pytorch") == ("cuda", 1)
    stand_in("torch", torch(uuids=None), Found(index=2))
    with pytest.raises(gpu.DeviceError, match="it sees 2 GPUs"):
        gpu.device("pytorch")


@pytest.mark.parametrize(
    ("module", "words"), [(torch(cuda=None), "this build has no CUDA support"), (torch(available=False), "is_available.. is False")]
)
def test_a_cpu_build_of_pytorch_is_told(module, words, stand_in):
    stand_in("torch", module, Found())
    with pytest.raises(gpu.DeviceError, match=rf"pytorch 2.9.0 cannot use cuda:0 \(NVIDIA H200\): .*{words}.*pip install torch"):
        gpu.device("pytorch")


def tensorflow(physical=2, visible=None, built=True, split=()):
    names = [f"GPU:{ordinal}" for ordinal in range(physical)]
    visible = names if visible is None else visible
    logical = [f"logical {name}{part}" for name in visible for part in (("a", "b") if name in split else ("",))]
    config = SimpleNamespace(
        list_physical_devices=lambda kind: names,
        get_visible_devices=lambda kind: visible,
        list_logical_devices=lambda kind: logical if kind == "GPU" else ["logical CPU"],
        get_logical_device_configuration=lambda device: [1, 2] if device in split else None,
    )
    return SimpleNamespace(__version__="2.21.0", config=config, test=SimpleNamespace(is_built_with_cuda=lambda: built))


def test_tensorflow_devices(stand_in):
    stand_in("tensorflow", tensorflow(), Found(index=1))
    assert gpu.device("tensorflow") == "logical GPU:1"
    stand_in("tensorflow", tensorflow(visible=["GPU:1"]))
    assert gpu.device("tf") == "logical GPU:1"
    stand_in("tensorflow", tensorflow(split=["GPU:0"]))
    assert gpu.device("tf") == "logical GPU:1"
    stand_in("tensorflow", tensorflow(visible=["GPU:0"]))
    with pytest.raises(gpu.DeviceError, match="set_visible_devices has hidden it"):
        gpu.device("tf")
    stand_in("tensorflow", tensorflow(built=False))
    with pytest.raises(gpu.DeviceError, match=r"tensorflow 2.21.0.*no CUDA support.*tensorflow\[and-cuda\]"):
        gpu.device("tf")


def cupy(places=PLACES, error=None):
    class CUDARuntimeError(RuntimeError):
        pass

    def count():
        if error:
            raise CUDARuntimeError(error)
        return len(places)

    runtime = SimpleNamespace(getDeviceCount=count, deviceGetPCIBusId=lambda i: places[i], CUDARuntimeError=CUDARuntimeError)
    return SimpleNamespace(__version__="14.0.0", cuda=SimpleNamespace(runtime=runtime, Device=lambda ordinal: ("cupy", ordinal)))


def test_cupy_is_matched_by_its_place_on_the_bus(stand_in):
    stand_in("cupy", cupy(), Found(index=0, pci="0000:5e:00.0"))
    assert gpu.device("cupy") == ("cupy", 1)
    stand_in("cupy", cupy(), Found(index=1))
    assert gpu.device("cupy") == ("cupy", 1)
    stand_in("cupy", cupy(error="cudaErrorInsufficientDriver"), Found())
    with pytest.raises(gpu.DeviceError, match="cudaErrorInsufficientDriver"):
        gpu.device("cupy")


def test_cupy_has_no_cpu(stand_in):
    stand_in("cupy", cupy())
    with pytest.raises(gpu.DeviceError, match="cannot use cpu .*NVIDIA GPUs alone"):
        gpu.device("cupy", "cpu")


def jax(gpus, error=None):
    def local_devices(backend):
        if backend == "cpu":
            return ["cpu device"]
        if error:
            raise RuntimeError(error)
        return gpus

    return SimpleNamespace(__version__="0.10.2", local_devices=local_devices)


def test_jax_is_matched_by_cudas_number(stand_in):
    second = SimpleNamespace(id=0, local_hardware_id=1)
    stand_in("jax", jax([second]), Found(index=1))
    assert gpu.device("jax") is second
    stand_in("jax", jax([second]), Found(index=0))
    with pytest.raises(gpu.DeviceError, match=r"it sees the CUDA devices \[1\] alone"):
        gpu.device("jax")
    stand_in("jax", jax([], error="Unknown backend: 'cuda' requested"), Found())
    with pytest.raises(gpu.DeviceError, match=r"jax 0.10.2.*Unknown backend.*pip install 'jax\[cuda12\]'"):
        gpu.device("jax")


@pytest.mark.parametrize(("name", "module"), [("torch", torch()), ("tf", tensorflow()), ("cupy", cupy()), ("jax", jax([]))])
def test_a_vulkan_device_is_nobodys(name, module, stand_in):
    stand_in({"tf": "tensorflow"}.get(name, name), module, Found(kind="vulkan", name="Radeon"))
    with pytest.raises(gpu.DeviceError, match=r"cannot use vulkan:0 \(Radeon\)"):
        gpu.device(name)


def test_identities_in_every_spelling():
    same = Identity.of(f"GPU-{UUIDS[0]}", "0000:3b:00.0")
    assert same == Identity.of(UUIDS[0].upper(), "00000000:3B:00.0") == Identity.of(bytes.fromhex(UUIDS[0].replace("-", "")), "3b:00.0")
    assert Identity.of(None, None) == Identity.of("none", "nowhere") == Identity()
    assert Identity.of(None, PLACES[0]).is_same(Identity.of(UUIDS[1], PLACES[0]))
    assert not Identity.of(UUIDS[0], PLACES[0]).is_same(Identity.of(UUIDS[0], PLACES[1]))
    assert not Identity().is_same(Identity()) and not Identity().is_comparable(same)
    assert str(Identity()) == "unknown"
