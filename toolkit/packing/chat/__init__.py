"""Conversations to runs: what the text of each is, character by character, and what of it is trained.

template  conversations  runs          a chat template, and what it makes of many conversations
chatml                                 one of them, written once more as segments: what checks it
sandbox*  budget  renderer  traced     a template at work: what it may do, and who wrote what
turns  align  skeleton                 each character of a rendering to its message; once a shape
unseen  blind  blind_budget  proof     what no template looked at need not be rendered
messages  edges  fill                  conversations as buffers, and skeletons filled with them
rendered  predict                      the other way: each rendered, and compared with its skeleton
"""
