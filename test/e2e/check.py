"""What a run left, read by other people's libraries: pyarrow, numpy, scipy and xarray.

  check.py shards FOLDER           every shard of a sealed folder
  check.py result NETCDF FOLDER    the solver's result: a sample of the neighbours, all else whole
  check.py genomes NETCDF FASTQ    how many neighbours are of a read's own genome, by its name
  check.py equal FOLDER FOLDER     two sealed folders hold the same vectors of the same reads

Each prints one JSON object of what it found, or ends with an assertion.
"""

import json
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xarray

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "parity"))
import oracle  # noqa: E402
import products  # noqa: E402

QUERIES = 200


def manifest_of(folder):
    return json.loads(pathlib.Path(folder, "manifest.json").read_text())


def shards(folder):
    manifest = manifest_of(folder)
    width = manifest["dimensions"]
    rows, ids = 0, set()
    for shard in manifest["shards"]:
        table = pq.read_table(pathlib.Path(folder, shard["file"]))
        kind = table.schema.field("embedding").type
        assert pa.types.is_fixed_size_list(kind) and kind.list_size == width, kind
        assert pa.types.is_float32(kind.value_type), kind
        values = table.column("embedding").combine_chunks().flatten().to_numpy()
        assert np.isfinite(values).all() and len(values) == width * shard["rows"]
        # Centred log-counts: each row's mean is 0, and no row is.
        vectors = values.reshape(-1, width)
        assert np.abs(vectors.mean(axis=1)).max(initial=0) < 1e-5
        assert (np.abs(vectors).max(axis=1) > 0.1).all()
        ordinal = table.column("ordinal").to_numpy()
        assert np.array_equal(ordinal, np.arange(shard["rows"])) and shard["firstRow"] == rows
        assert (table.column("n_tokens").to_numpy() >= 32).all()
        ids.update(table.column("read_id").to_pylist())
        rows += len(ordinal)
    print(json.dumps({"shards": len(manifest["shards"]), "rows": rows, "ids": len(ids)}))


def nearest(points, queries, k):
    """Exact neighbours of some nodes, summed in the solver's order, so that ids must be equal."""
    total = np.zeros((len(queries), len(points)))
    for d in range(points.shape[1]):
        difference = points[queries, d, None] - points[None, :, d]
        total += difference * difference
    total[np.arange(len(queries)), queries] = np.inf
    ids = np.argsort(total, axis=1, kind="stable")[:, :k]
    return ids, np.sqrt(np.take_along_axis(total, ids, axis=1))


def result(netcdf, folder):
    data = xarray.open_dataset(netcdf, mask_and_scale=False)
    products.documented(data)
    manifest = manifest_of(folder)
    rows = oracle.read_rows([pathlib.Path(folder, shard["file"]) for shard in manifest["shards"]])
    nodes, node_of_row = oracle.collapse(rows)
    assert data.sizes["row"] == manifest["rows"] and data.sizes["node"] == len(nodes)
    assert np.array_equal(data.node_of_row, node_of_row)
    k = data.sizes["neighbor"]
    random = np.random.default_rng(3)
    queries = np.sort(random.choice(len(nodes), min(QUERIES, len(nodes)), replace=False))
    ids, distances = nearest(nodes.astype(np.float64), queries, k)
    assert np.array_equal(data.knn_index.values[queries], ids)
    assert np.array_equal(data.knn_distance.values[queries], distances)
    weights = oracle.graph(data.knn_index.values, data.knn_distance.values)
    degree = np.asarray(weights.sum(axis=1)).ravel()
    assert oracle.difference(data.degree, degree) <= oracle.TOLERANCE_DEGREE * degree.max()
    assert np.array_equal(data.component, oracle.component_labels(weights))
    first = products.first_rows(data)
    start = data.heat_start.values[first]
    heat = 0.0
    for at, time in enumerate(data.time.values):
        if time <= oracle.EXACT_TIME_MAX:
            values = oracle.heat(weights, degree, start, time)
            heat = max(heat, oracle.difference(data.heat[at], values[node_of_row]))
    assert heat <= oracle.TOLERANCE_HEAT, heat
    products.outliers(data)
    products.energy(data, weights, degree)
    report = {"modes": data.sizes.get("mode", 0)}
    # No component is large enough for modes: then nothing of them is there.
    assert ("mode" in data.sizes) == (len(products.parts_of(data.component.values)) > 0)
    if report["modes"] > 0:
        report.update(products.modes(data, weights, degree, data.component.values))
        report.update(products.clusters(data, data.component.values, degree))
        products.samples(data, folder)
    times = data.time.values.tolist()
    report.update(nodes=len(nodes), k=k, times=times, heat=heat)
    print(json.dumps(report))


def genomes(netcdf, fastq):
    data = xarray.open_dataset(netcdf)
    with open(fastq) as lines:
        names = [line.split()[1] for line in lines if line.startswith("@sim_")]
    genome = np.unique(names, return_inverse=True)[1]
    _, first = np.unique(data.node_of_row, return_index=True)
    own = genome[first]
    same = own[data.knn_index.values] == own[:, None]
    print(json.dumps({"genomes": int(genome.max()) + 1, "same": float(same.mean())}))


def equal(*folders):
    tables = []
    for folder in folders:
        files = [pathlib.Path(folder, shard["file"]) for shard in manifest_of(folder)["shards"]]
        ids = [name for file in files for name in pq.read_table(file).column("read_id").to_pylist()]
        tables.append((ids, oracle.read_rows(files).view(np.uint32)))
    (ids, bits), (other_ids, other_bits) = tables
    assert ids == other_ids and np.array_equal(bits, other_bits)
    print(json.dumps({"rows": len(ids)}))


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    {"shards": shards, "result": result, "genomes": genomes, "equal": equal}[command](*rest)
