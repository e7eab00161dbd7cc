"""Lengths to packs: which documents share a row. Nothing here knows a token.

pack                                   the door
fit  first_fit  fewest  balanced       the ways behind it; fit_reference is their oracle
next_fit  concat_and_cut               two for teaching
bounds                                 what no packing can beat
lengths  amounts                       counted lengths, and the set of room that is left
stream                                 lengths without end, in a bounded buffer
"""
