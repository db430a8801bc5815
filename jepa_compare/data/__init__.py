"""Where trajectories come from: sources, environments, planning tasks."""

from jepa_compare.data.base import Column, Source
from jepa_compare.data.environment import Environment, TaskSuite
from jepa_compare.data.rooms.random_wall import RandomWall
from jepa_compare.data.rooms.two_rooms import TwoRooms

__all__ = ["Column", "Environment", "RandomWall", "Source", "TaskSuite", "TwoRooms"]
