"""The HTTP face of `medseg.service`: who may come in, how much of it, and what is told outside.

Needs the packages of ``pip install 'medseg[server]'``; `medseg.cli.serve` says so when they are
absent. Everything here is thin: a request is checked (`gate`, `bodies`), handed to the service in
a thread (`threads`), and its answer or error sent as JSON (`answers`).
"""
