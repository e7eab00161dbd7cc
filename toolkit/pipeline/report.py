"""placeholder until written"""


def report(lake):
    return None
