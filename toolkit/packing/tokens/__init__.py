"""Runs to token ids and masks, by one pinned tokenizer.

tokenizer  tokenizer_json  library     one tokenizer.json, in whichever release is installed
joining                                many texts in few calls
vocabulary  round_trip  canaries       the bytes of its ids; proofs that it loses and changes nothing
train  words  pairs                    a vocabulary of one's own
encode  encode_runs                    records to ids and masks
gather                                 many short runs of tokens, copied from wherever they lie
limits  cuts                           what is too long, and what can be done about it
"""
