"""The live side: what happens, told to those who watch, while it happens.

Nobody who watches may slow down a delivery: with nobody watching nothing is done here at all; with somebody each
event is counted in a few steps and encoded only if it is sent; a reader who does not keep up is skipped forward.
"""
