"""What models need beside medseg itself, and a Python environment of its own for it.

Nothing is installed where it could disturb another program: a plan is shown first, an
environment is made in a folder of its own, and it is used only when it is whole.
"""

from .environments import Environment, Environments
from .needs import BASE, NEEDS, Need, need
from .plan import PROTECTED, Item, Plan, plan_into
from .processes import Stop, find_pythons

__all__ = [
    "BASE",
    "NEEDS",
    "PROTECTED",
    "Environment",
    "Environments",
    "Item",
    "Need",
    "Plan",
    "Stop",
    "find_pythons",
    "need",
    "plan_into",
]
