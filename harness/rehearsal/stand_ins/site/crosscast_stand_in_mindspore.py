"""MindSpore with its CPU under the name Ascend: the device's names, the memory and operators of the CPU."""

from importlib import import_module


class Precision:
    """Switches of products, as text, as the Ascend back end keeps them; each can be set once."""

    def __init__(self):
        self._set = {}

    def setter(self, name):
        """A function like those of mindspore.device_context.ascend.op_precision."""

        def set_switch(value):
            told = {True: "1", False: "0"}.get(value, value)
            if name in self._set and self._set[name] != told:
                raise RuntimeError(f"The '{name}' can not be set repeatedly.")
            self._set[name] = told

        return set_switch

    def getter(self, name):
        """A function like those of AscendOpPrecisionConf."""
        return lambda: self._set.get(name, "")


def before(cast):
    """Nothing: MindSpore is imported as it is."""


def after(ms, cast):
    """Where a device is named, Ascend is understood. A CPU waits for each operator, which is faster there."""
    opened = []
    set_device, get_context, to = ms.set_device, ms.get_context, ms.Tensor.to

    def name_device(device_target, device_id=None):
        opened[:] = [device_target]
        set_device("CPU" if device_target == "Ascend" else device_target)
        ms.runtime.launch_blocking()

    def read_context(attr_key):
        return opened[0] if attr_key == "device_target" and opened else get_context(attr_key)

    def move(self, *args, **kwargs):
        return to(self, *("CPU" if each == "Ascend" else each for each in args), **kwargs)

    precision = Precision()
    names = ("precision_mode", "matmul_allow_hf32", "conv_allow_hf32")
    switches = import_module("mindspore.device_context.ascend.op_precision")
    for name in names:
        setattr(switches, name, precision.setter(name))
    configuration = type("Configuration", (), {name: staticmethod(precision.getter(name)) for name in names})
    holder = type("AscendOpPrecisionConf", (), {"get_instance": staticmethod(configuration)})
    import_module("mindspore._c_expression").AscendOpPrecisionConf = holder
    ms.set_device, ms.get_context, ms.Tensor.to = name_device, read_context, move
    ms.hal.get_device_name = lambda device_id=0: cast["device_name"]
