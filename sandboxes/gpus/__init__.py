"""GPUs: which there are, who may use which one now, and what a sandbox shows of them.

A candidate never chooses a device. The engine leases it one (``leases``), on books that all
engines of the machine share (``book``); the worker opens a sandbox that has this device and
no other (``shown``) and ends a candidate that uses more of its memory than its share
(``watch``). What there is comes from NVML (``nvml``), or in tests from a fake, behind one
interface (``devices``).
"""
