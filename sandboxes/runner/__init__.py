"""The code that runs inside a sandbox: standard library only, imported by nothing outside.

Three parties: the warm parent (``parent``) forks a keeper (``keeper``, process 1 of the
fresh namespaces) per candidate; the keeper forks the process in which the candidate's code
runs (``program``). Only the last one ever touches that code, and nothing it says about how
it ended is believed: the keeper sees that.
"""
