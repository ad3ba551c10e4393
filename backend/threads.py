"""How threads wait. To be imported before numpy, which reads this when it is loaded.

Threads that wait for each other must not spin: Blender wants the cores too, and beside one busy process a wilt took
four times as long. Products as small as ours gain nothing from OpenBLAS's threads; numba's lose little.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
