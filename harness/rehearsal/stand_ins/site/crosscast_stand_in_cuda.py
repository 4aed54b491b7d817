"""PyTorch built without CUDA, given a device of that name: the device of the stage instead of a driver's."""

import ctypes


def before(cast):
    """The device is there before PyTorch first asks what devices there are."""
    ctypes.CDLL(cast["library"]).open_device(b"cuda")


def after(torch, cast):
    """What torch.cuda asks of the CUDA runtime, answered for the one device of the stage."""
    library = ctypes.CDLL(cast["library"])
    library.peak_bytes.restype = ctypes.c_int64
    memory = cast["memory_bytes"]
    facts = {"name": cast["device_name"], "major": cast["major"], "minor": 0, "total_memory": memory}
    properties = type("Properties", (), facts)()
    told = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "synchronize": lambda device=None: None,
        "get_device_name": lambda device=None: cast["device_name"],
        "get_device_properties": lambda device=None: properties,
        "get_device_capability": lambda device=None: (cast["major"], 0),
        "mem_get_info": lambda device=None: (memory, memory),
        "max_memory_allocated": lambda device=None: library.peak_bytes(),
        "max_memory_reserved": lambda device=None: library.peak_bytes(),
        "_lazy_init": lambda: None,
    }
    for name, function in told.items():
        setattr(torch.cuda, name, function)
    torch.version.cuda, torch.version.hip = cast["cuda"], cast["hip"]
