"""RADIUS and RadSec (RADIUS/TLS) with a core in C: packets, dictionaries, clients and servers.

Nothing is imported here; take what is needed from the modules: `pyradsec.radsec.server`, `pyradsec.packet`,
`pyradsec.dictionary` and so on.
"""

__author__ = "pyradsec developers"
__url__ = "https://pypi.org/project/pyradsec/"
__version__ = "0.1.0"
