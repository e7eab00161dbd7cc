"""What a loss mask must be, and who gets it right: ours, and other people's.

invariants  masks                      four sentences about every character, and their check
awkward                                conversations that break masks
ways  transformers_way  marked         how trainers mask
audit                                  templates times ways: the scoreboard
"""
