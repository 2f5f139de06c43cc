"""The course's helper module: one idea a file, and data flows one way through them.

folders → arrays → framework → progress → downloads → pictures → drawing → drawn_pets →
drawn_signs → sources → datasets → unpickler → efficientnet_lite → backbones → alexnet → engines →
features → views → models → checks → plots → results → bottleneck → tables → runner → environment →
course
"""

import os

# Before TensorFlow is imported anywhere: hide its start-up notes, and run Keras on TensorFlow
# whatever the learner's own Keras settings say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
