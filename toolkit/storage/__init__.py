"""How bytes reach disk: atomic files, shards, content hashes, ledgers and manifests."""

from toolkit.storage.atomic import clean_leftovers, drop_scratch, mark_scratch, write_atomic, writing
from toolkit.storage.digest import IdHash, digest_json, sha256_bytes, sha256_file
from toolkit.storage.ledger import Group, Ledger
from toolkit.storage.lock import locked
from toolkit.storage.manifest import Output, PartManifest, read_json, write_json
from toolkit.storage.scratch import SCRATCH
from toolkit.storage.shard import (
    LEVELS,
    open_shard,
    part_of,
    read_shard,
    read_shard_bytes,
    shard_name,
    shard_path,
    shards,
    write_shard,
)
from toolkit.storage.tables import (
    ROW_GROUP,
    read_array,
    read_ipc,
    read_parquet,
    write_array,
    write_ipc,
    write_parquet,
)

__all__ = [
    "LEVELS",
    "ROW_GROUP",
    "SCRATCH",
    "Group",
    "IdHash",
    "Ledger",
    "Output",
    "PartManifest",
    "clean_leftovers",
    "digest_json",
    "drop_scratch",
    "locked",
    "mark_scratch",
    "open_shard",
    "part_of",
    "read_array",
    "read_ipc",
    "read_json",
    "read_parquet",
    "read_shard",
    "read_shard_bytes",
    "sha256_bytes",
    "sha256_file",
    "shard_name",
    "shard_path",
    "shards",
    "write_array",
    "write_atomic",
    "write_ipc",
    "write_json",
    "write_parquet",
    "write_shard",
    "writing",
]
