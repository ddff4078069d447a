"""What ``medseg serve`` was asked for; needs no package of the server, so that it can be refused
before any is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..service import Settings
from .access import Access
from .listen import Address
from .menu import Menu
from .ray_cluster import RaySettings
from .rules import Rules


@dataclass(frozen=True)
class Plan:
    address: Address = field(default_factory=Address)
    access: Access = field(default_factory=Access)
    menu: Menu = field(default_factory=Menu)
    settings: Settings = field(default_factory=Settings)
    rules: Rules = field(default_factory=Rules)
    log_form: Literal["json", "text"] = "json"
    ray: RaySettings | None = None
