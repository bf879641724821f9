"""Fetches CIFAR-10's binary version, once: ``python examples/cifar10/download.py [FOLDER]``.

It runs outside of any sandbox, needs torchvision and a network, and unpacks 170 MB.
"""

from __future__ import annotations

import sys
from pathlib import Path

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"


def main() -> None:
    """Download, check and unpack."""
    from torchvision.datasets.utils import download_and_extract_archive

    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data"
    download_and_extract_archive(URL, str(target), md5=MD5)
    sys.stdout.write(f"CIFAR-10 is in {target / 'cifar-10-batches-bin'}\n")


if __name__ == "__main__":
    main()
