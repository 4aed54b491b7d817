"""Huawei Ascend: DCMI and npu-smi, who is on a card, and which devices CANN shows to a job."""
