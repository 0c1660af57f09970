"""Many photos: a folder in, the same folder protected out, on one machine or many.

`photos.py` says which photos there are and what their results are called, `recipe.py` what is done
to each, `worker.py` does it, `here.py`, `local.py` and `ray_crew.py` are where workers run,
`dispatch.py` hands photos out and survives workers that die, `output.py` and `manifest.py` keep
what is done, `run.py` is all of it.
"""
