"""The course's helper module: one idea a file, and data flows one way through them.

folders → framework → downloads → pictures → drawn_pets → sources → datasets → efficientnet_lite →
backbones → features → models → checks → plots → results → tables → runner → environment → course
"""

import os

# Before TensorFlow is imported anywhere: hide its start-up notes, and run Keras on TensorFlow
# whatever the learner's own Keras settings say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
