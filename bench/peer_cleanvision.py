"""Runs CleanVision's default checks on a folder; started by scan_images.py with the peer's Python.

Prints the seconds of the imports and of the search, and the number of images with each issue, as JSON.
"""

import contextlib
import io
import json
import sys
import time

if __name__ == "__main__":  # its workers may import this file anew
    begin = time.perf_counter()
    from cleanvision import Imagelab

    seconds = {"import": time.perf_counter() - begin}
    begin = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        lab = Imagelab(data_path=sys.argv[1])
        lab.find_issues(verbose=False)
    seconds["search"] = time.perf_counter() - begin
    found = {name: int(lab.issues[name].sum()) for name in lab.issues.columns if name.startswith("is_")}
    print(json.dumps({"seconds": seconds, "found": found}))
