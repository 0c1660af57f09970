"""The one exception that is meant for the person at the keyboard."""


class SilencerError(ValueError):
    """Something the user gave cannot be used.

    The message names the input, the value that was found and the remedy. Command line and nodes
    show it as it is, without a traceback; every other exception is a bug.
    """


class Cancelled(Exception):
    """A `cancelled` callback said yes; nothing is wrong, the work is merely not done."""
