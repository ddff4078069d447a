"""The messages between whoever shows a mask and whoever computes it, defined once.

Carried two ways, over a local socket to the companion process (`medseg.companion`) and over HTTP
to a server (`medseg.server`, `medseg.client`), with the same fields, the same errors and so the
same voxels. Only numpy and the standard library are needed here.
"""
