"""The faults that lvslab can inject: one file each, found by :mod:`lvslab.faults.registry`."""
