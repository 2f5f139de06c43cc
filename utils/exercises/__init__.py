"""Exercises: `check` says of an answer what is right or wrong with it, `hint` helps on; lesson 00.

What each exercise wants stands in a module for each lesson. The solutions stand in the lessons
themselves, between markers, and learners' copies are made without them.
"""

from utils.exercises.checking import check, hint, right

__all__ = ["check", "hint", "right"]
