"""The stages, each a kind of job: a pure function from files to files.

    ingest -> refine -> similar -> verdict -> silver -> tokens -> gold

Imported one by one, not here: a run with nothing to do must not wait for the kernels to load.
"""
