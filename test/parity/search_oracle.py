"""Independent reference of the exact search: sets that are hard for it, and a brute force in fp64.

  search_oracle.py sets FOLDER     writes one Parquet file for each kind of set
  search_oracle.py check TRIPLES   compares [[result, metric, file], ...], JSON, with brute force

Distances are summed in the solver's order, so ids and distances must be equal, not only close.
"""

import json
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xarray
from oracle import collapse, neighbours, read_rows, vectors


def write(path, rows, row_group):
    table = pa.table({"embedding": vectors(rows.astype(np.float32), "list")})
    pq.write_table(table, path, row_group_size=row_group, compression="zstd")


def sets(folder):
    random = np.random.default_rng(5)
    place = pathlib.Path(folder)
    write(place / "random.parquet", random.normal(size=(1500, 33)), 400)
    centres = random.normal(size=(20, 24)) * 3
    clustered = centres[random.integers(0, 20, 5000)] + random.normal(size=(5000, 24))
    write(place / "clustered.parquet", clustered, 1700)
    # Clones differ by less than fp32 tells apart, and are more than a list of candidates holds.
    origins = random.normal(size=(4, 40)) * 5 + 30
    cloned = origins[random.integers(0, 4, 1300)] + random.normal(size=(1300, 40)) * 1e-5
    write(place / "cloned.parquet", cloned, 1300)
    # Equal rows on one rank and on several; far from the origin, so that the centre counts.
    duplicated = random.normal(size=(2600, 17)) + 100
    duplicated[900:1700] = duplicated[:800]
    duplicated[2500:] = duplicated[7]
    duplicated[1800:1810] = duplicated[1800]
    write(place / "duplicated.parquet", duplicated, 333)
    # Far groups, points on a grid at equal distances, one outlier that dwarfs all else.
    apart = np.round(random.normal(size=(1400, 6)) * 3)
    apart[700:] += 1e4
    apart[5] = 1e12
    apart[1000:1003] = -np.arange(1, 4)[:, None] * 1e7
    write(place / "disconnected.parquet", apart, 500)
    # 50,000 rows that are 6,250 nodes: loading is all that takes memory.
    wide = np.repeat(random.normal(size=(6250, 1024)).astype(np.float32), 8, axis=0)
    write(place / "wide.parquet", wide, 2500)


def check(result, metric, file):
    data = xarray.open_dataset(result)
    nodes, node_of_row = collapse(read_rows([file]))
    points = nodes.astype(np.float64)
    if metric == "cosine":
        norm = np.zeros(len(points))
        for d in range(points.shape[1]):
            norm += points[:, d] * points[:, d]
        points = points / np.sqrt(norm)[:, None]
    ids, distances = neighbours(points, data.sizes["neighbor"])
    where = f"{pathlib.Path(file).stem} {metric}"
    assert np.array_equal(data.node_of_row, node_of_row), f"{where}: node_of_row"
    assert np.array_equal(data.multiplicity, np.bincount(node_of_row)), f"{where}: multiplicity"
    assert np.array_equal(data.knn_index, ids), f"{where}: knn_index"
    assert np.array_equal(data.knn_distance, distances), f"{where}: knn_distance"
    return len(nodes)


if __name__ == "__main__":
    if sys.argv[1] == "sets":
        sets(sys.argv[2])
    else:
        print(json.dumps([check(*triple) for triple in json.loads(sys.argv[2])]))
