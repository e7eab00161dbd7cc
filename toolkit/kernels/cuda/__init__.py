"""The kernels in CUDA C++, and the doors through which they run: ``Cuda`` on a card, ``Host`` on the CPU.

What is written above a door is written once: it takes arrays of the door's kind and launches by name. The
``.cu`` files are the lesson; each begins with its equation and its cost.
"""

from toolkit.kernels.cuda.device import Cuda
from toolkit.kernels.cuda.host import Host

__all__ = ["Cuda", "Host"]
