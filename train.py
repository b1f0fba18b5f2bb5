"""Train and judge a decoder: `python train.py model=eegformer data=bci_iv_2a`."""

import sys
from pathlib import Path

try:
    import corticode  # noqa: F401
except ImportError:  # a checkout that was not installed
    sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from corticode.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
