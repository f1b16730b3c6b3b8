"""The version of this package. A test compares it with that of the library."""

__version__ = "0.1.0"
