"""The one error for input that a user can mend.

``diffmpm`` prints its message alone and exits with code 2; library callers get a ``ValueError``.
"""


class InputError(ValueError):
    """Bad YAML, mesh, tensor, camera or device. The message names the thing and says what is accepted."""
