"""Packs to tables, and tables to the batches of a trainer.

gold  write                            the tables, and their Parquet
gold_parts  gold_reader  decoded_parts a folder of gold, opened, checked and read
epochs  schedule                       the order of packs; which rank takes which
batches  boundaries                    what a trainer is given
read  tokens_hash                      documents read back, and a hash that misses none
"""
