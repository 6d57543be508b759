"""What the synthetic world is made of: shapes, colours, textures, words, solids."""

from __future__ import annotations

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "green": (46, 150, 62),
    "blue": (38, 84, 206),
    "yellow": (242, 204, 32),
    "purple": (134, 56, 168),
    "orange": (245, 130, 28),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "heart", "arrow", "crescent")
TEXTURES = ("plain", "striped", "dotted", "checkered", "wavy", "ringed")
HAIR: dict[str, tuple[int, int, int]] = {
    "black": (28, 26, 30),
    "blond": (232, 200, 104),
    "brown": (112, 68, 36),
    "gray": (158, 160, 164),
}
SOLIDS = ("box", "cylinder", "sphere", "cone", "pyramid")
WORDS = (
    "APPLE", "BANK", "CAFE", "DOOR", "EXIT", "FISH", "GOLD", "HOTEL", "INN", "JAZZ", "KIOSK", "LAMP",
    "MILK", "NORTH", "OPEN", "PIZZA", "QUIET", "ROAD", "STOP", "TAXI", "UNION", "VALLEY", "WINE", "ZOO",
)  # fmt: skip
POSITIONS = ("top left", "top right", "bottom left", "bottom right")
