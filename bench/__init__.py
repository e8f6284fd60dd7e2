"""The side-by-side benchmark: gateway, pgbouncer and direct, in alternation in one run.  It asserts no time.

Absolute figures do not carry from machine to machine; the median of the rounds' ratios does.
"""
