"""Every number of `tests/published.yml` beside this package's own: `make published`.

A module of this folder holds functions that compute the values of an entry, registered by its key. They
give the same names as the entry; the comparison, the table and the page know nothing of what they mean.
"""
