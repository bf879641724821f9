"""Fakes and conformance suites, shipped for those who write strategies, sandboxes or models."""
