"""Where trajectories come from: sources, environments, planning tasks."""

from jepa_compare.data.rooms.random_wall import RandomWall
from jepa_compare.data.rooms.two_rooms import TwoRooms

__all__ = ["RandomWall", "TwoRooms"]
