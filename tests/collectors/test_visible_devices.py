"""CUDA_VISIBLE_DEVICES in all the forms that CUDA accepts."""

from __future__ import annotations

import pytest

from collectors.vendors.nvidia.visible_cuda import Gpu, visible_gpus

A, B, C = "GPU-aaaaaaaa-1111", "GPU-aabbbbbb-2222", "GPU-cccccccc-3333"
ALIKE = [Gpu(B, "A100", "00000000:41:00.0"), Gpu(A, "A100", "00000000:01:00.0"), Gpu(C, "A100", "00000000:C1:00.0")]
MIXED = [Gpu(A, "A100", "00000000:01:00.0"), Gpu(B, "T4", "00000000:41:00.0")]
MIG = [Gpu(A, "A100", "00000000:01:00.0", True, ("MIG-1111", "MIG-2222")), Gpu(B, "A100", "00000000:41:00.0")]


@pytest.mark.parametrize(
    ("value", "uuids"),
    [
        (None, (A, B, C)),
        ("0", (A,)),
        ("2,1", (C, B)),
        (" 1 , 0 ", (B, A)),
        ("0,2,-1,1", (A, C)),
        ("0,7,1", (A,)),
        ("1gpu,2", (B, C)),
        (C, (C,)),
        (f"{C},{A}", (C, A)),
        ("GPU-cc", (C,)),
        ("GPU-aaa,GPU-aab", (A, B)),
        (f"{C},GPU-aa", (C,)),
    ],
)
def test_forms_and_order(value, uuids):
    found = visible_gpus(ALIKE, {} if value is None else {"CUDA_VISIBLE_DEVICES": value})
    assert (found.uuids, found.numbered, found.reason) == (uuids, True, None)


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles", "7", "GPU-dead", "GPU-aa", "MIG-1111"])
def test_nothing_visible(value):
    found = visible_gpus(ALIKE, {"CUDA_VISIBLE_DEVICES": value})
    assert found.uuids == ()
    assert "shows no GPU to the job" in str(found.reason)


@pytest.mark.parametrize("value", ["0,0", f"0,{A}", f"{A},GPU-aaa"])
def test_a_device_named_twice_hides_all(value):
    assert "twice" in str(visible_gpus(ALIKE, {"CUDA_VISIBLE_DEVICES": value}).reason)


@pytest.mark.parametrize(
    ("value", "uuids"),
    [
        ("MIG-2222", (A,)),
        ("MIG-1111,MIG-2222", (A, A)),
        (f"MIG-{A}/3/0", (A,)),
        ("MIG-1111,1", (A, B)),
    ],
)
def test_mig_instances_lead_to_their_board(value, uuids):
    assert visible_gpus(MIG, {"CUDA_VISIBLE_DEVICES": value}).uuids == uuids


def test_indices_of_unlike_boards_need_the_pci_order():
    refused = visible_gpus(MIXED, {"CUDA_VISIBLE_DEVICES": "0"})
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in str(refused.reason)
    ordered = visible_gpus(MIXED, {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    assert (ordered.uuids, ordered.numbered) == ((B,), True)
    assert visible_gpus(MIXED, {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "FASTEST_FIRST"}).uuids == ()
    by_uuid = visible_gpus(MIXED, {"CUDA_VISIBLE_DEVICES": B})
    assert (by_uuid.uuids, by_uuid.numbered) == ((B,), True)


@pytest.mark.parametrize("environ", [{}, {"CUDA_VISIBLE_DEVICES": "1,0"}])
def test_all_unlike_boards_are_a_known_set_in_unknown_order(environ):
    found = visible_gpus(MIXED, environ)
    assert (set(found.uuids), found.numbered) == ({A, B}, False)


def test_no_gpu_at_all():
    assert visible_gpus([], {}).reason == "NVML lists no GPU"
