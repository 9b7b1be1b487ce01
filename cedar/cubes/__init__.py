"""An order's files as data: cubes of time, y and x, a variable a band.

Only what was downloaded is needed, no store. What opens and writes cubes needs the packages of
``cedar-eo[ard]``; what says which files an order has here doesn't.
"""
