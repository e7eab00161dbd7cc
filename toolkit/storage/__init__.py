"""How bytes reach disk: atomic files, shards, content hashes, ledgers and manifests."""

from toolkit.storage.atomic import clean_leftovers, write_atomic, writing
from toolkit.storage.digest import IdHash, digest_json, sha256_bytes, sha256_file
from toolkit.storage.ledger import Group, Ledger
from toolkit.storage.lock import locked
from toolkit.storage.manifest import Output, PartManifest, read_json, write_json
from toolkit.storage.shard import read_jsonl_zst, write_jsonl_zst
from toolkit.storage.tables import read_ipc, read_parquet, write_ipc, write_parquet

__all__ = [
    "Group",
    "IdHash",
    "Ledger",
    "Output",
    "PartManifest",
    "clean_leftovers",
    "digest_json",
    "locked",
    "read_ipc",
    "read_json",
    "read_jsonl_zst",
    "read_parquet",
    "sha256_bytes",
    "sha256_file",
    "write_atomic",
    "write_ipc",
    "write_json",
    "write_jsonl_zst",
    "write_parquet",
    "writing",
]
