"""ROCR_, HIP_ and CUDA_VISIBLE_DEVICES and GPU_DEVICE_ORDINAL in the forms that ROCm accepts."""

from __future__ import annotations

import pytest

from collectors.vendors.hygon_amd.visible_rocm import visible_rocm

UUIDS = ["GPU-0011223344556677", "GPU-00aabbccddeeff00", None, "GPU-ff00000000000003"]


@pytest.mark.parametrize(
    ("environ", "positions"),
    [
        ({}, (0, 1, 2, 3)),
        ({"HIP_VISIBLE_DEVICES": "2,0"}, (2, 0)),
        ({"HIP_VISIBLE_DEVICES": "1,7,0"}, (1,)),
        ({"HIP_VISIBLE_DEVICES": "1,1,0"}, (1, 0)),
        ({"HIP_VISIBLE_DEVICES": "1, 0"}, (1,)),
        ({"HIP_VISIBLE_DEVICES": "GPU-ff"}, (3,)),
        ({"HIP_VISIBLE_DEVICES": "1", "CUDA_VISIBLE_DEVICES": "2"}, (1,)),
        ({"HIP_VISIBLE_DEVICES": "", "CUDA_VISIBLE_DEVICES": "2"}, (2,)),
        ({"CUDA_VISIBLE_DEVICES": "3"}, (3,)),
        ({"ROCR_VISIBLE_DEVICES": "3, 1"}, (3, 1)),
        ({"ROCR_VISIBLE_DEVICES": "0x2"}, (2,)),
        ({"ROCR_VISIBLE_DEVICES": "gpu-00AA,0"}, (1, 0)),
        ({"ROCR_VISIBLE_DEVICES": "GPU-00,1"}, None),
        ({"ROCR_VISIBLE_DEVICES": "2,2,1"}, (2,)),
        ({"ROCR_VISIBLE_DEVICES": "3,1", "HIP_VISIBLE_DEVICES": "1"}, (1,)),
        ({"ROCR_VISIBLE_DEVICES": "3", "HIP_VISIBLE_DEVICES": "3"}, None),
        ({"ROCR_VISIBLE_DEVICES": ""}, None),
        ({"HIP_VISIBLE_DEVICES": "-1"}, None),
        ({"ROCR_VISIBLE_DEVICES": "2,3", "GPU_DEVICE_ORDINAL": "2,3"}, (2, 3)),
        ({"GPU_DEVICE_ORDINAL": "0,1,2,3"}, (0, 1, 2, 3)),
    ],
)
def test_forms_and_order(environ, positions):
    found = visible_rocm(UUIDS, environ)
    assert found.positions == (positions or ())
    assert (found.reason is None) == (positions is not None)
    if positions is None:
        assert "shows no device to the job" in str(found.reason)


def test_an_ordinal_alone_that_versions_read_differently_is_refused():
    assert "set ROCR_VISIBLE_DEVICES" in str(visible_rocm(UUIDS, {"GPU_DEVICE_ORDINAL": "1"}).reason)
