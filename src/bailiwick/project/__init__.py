"""A user's project folder: loads it, wires the planes to their stores, and holds the public `Guard`."""

from bailiwick.project.guard import Guard
from bailiwick.project.load import Project, find_project, load_project

__all__ = ["Guard", "Project", "find_project", "load_project"]
