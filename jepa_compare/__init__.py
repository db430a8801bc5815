"""Compare auxiliary losses of joint-embedding predictive architectures, fairly.

The training half (`train`, `evaluate`) writes run directories; the comparison half (`comparison`)
reads them and needs neither torch nor hydra. Importing this package imports neither.
"""

__version__ = "0.1.0"
