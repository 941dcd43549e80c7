"""The one lock around kernel launches.

Taichi compiles and launches from any thread, but two threads that compile at the same time crash.
torch runs ``backward`` in a thread of its own, so every stage launches under this lock.
"""

import threading

launch_lock = threading.RLock()
