"""The course's helper module: one idea a file, and data flows one way through them.

A learner's own rooms, in the order of the lessons:
- `datasets`: a data set is three lists of files with labels, fixed on disk
- `backbones`: a pretrained base that takes pixels as they are
- `features`: run the base once, keep what it says
- `models`: a head; unfreeze from a block
- `checks`: a claim is a check; `statistics`: how sure a number is, and which of two is better
- `plots`, `results`: figures, and what a lesson measured
- `bottleneck`: features as files (lesson 12); `collection`: of more pictures than one run takes
  (lesson 22); `course`: the command line

Machinery has rooms of its own (`base`, `sources`, `running`), and nobody has to enter them to
understand a lesson. Rooms import only from those before them: base → checks → statistics → plots →
sources → results → datasets → backbones → models → features → bottleneck →
collection → running → course.
"""

import os

# Before TensorFlow is imported anywhere: hide its start-up notes, and run Keras on TensorFlow
# whatever the learner's own Keras settings say. `base.framework` sets what has no variable.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if (_wanted := os.environ.get("KERAS_BACKEND") or "tensorflow") != "tensorflow":
    print(f"For this course Keras runs on TensorFlow instead of {_wanted} (KERAS_BACKEND)")
os.environ["KERAS_BACKEND"] = "tensorflow"
