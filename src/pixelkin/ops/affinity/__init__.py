"""Affinity between a target frame and its references: the k most similar sources of each cell.

* `dense.py`: by brute force, the whole matrix at once; what the search must equal.
* `search.py`: the search; `tiled.py` goes through it, a tile of target cells at a time, and
  `bounded.py` leaves out of it what bounds allow.
* `bounds.py`: what it searches with: few channels, whose products no similarity exceeds; on GPUs
  all channels, and so the similarities.
* `blocks.py`: sources without a disc, in blocks that can be passed as a whole.
* `rounded.py`: the same in bfloat16, for processors that multiply it fast. Nothing but
  `cells.py` knows of it, and without it all is found as well.
* `shorter.py`: fewer channels still, where not all needs to be found.
* `cells.py`: features laid out for all of them.

Pure tensor functions; they know nothing about labels, videos or protocols.
"""

from pixelkin.ops.affinity.cells import Cells
from pixelkin.ops.affinity.dense import dense_topk
from pixelkin.ops.affinity.search import windowed_topk

__all__ = ["Cells", "dense_topk", "windowed_topk"]
