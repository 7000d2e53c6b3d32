"""Independent reference of the solver: numpy and scipy, from the shards alone.

  oracle.py sets FOLDER            writes small sets of shards, prints what each file holds
  oracle.py damaged FOLDER         writes single files, each wrong in one way
  oracle.py paged FOLDER           writes the same rows in pages of many kinds, prints the files
  oracle.py check RESULT METRIC FILE...   recomputes RESULT from FILEs, prints the differences;
                                   METRIC may be metric:K where K clusters were asked for

The distances are summed in the solver's order, so they and the ids must be equal, not only close.
"""

import json
import pathlib
import sys

import numpy as np
import products
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.linalg
import scipy.sparse as sparse
import xarray

TOLERANCE_DEGREE = 1e-12
TOLERANCE_HEAT = 1e-8
# Heat of many nodes is recomputed up to this time: expm_multiply's work grows with it.
EXACT_TIME_MAX = 40


def vectors(rows, kind="fixed"):
    """The column `embedding` as one of the list types that hold it."""
    flat = pa.array(rows.ravel(), type=pa.float32())
    width = rows.shape[1]
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(flat, width)
    offsets = pa.array(np.arange(0, rows.size + 1, width), type=pa.int32())
    return pa.ListArray.from_arrays(offsets, flat)


def write(path, rows, kind="fixed", groups=None, **options):
    """One shard; `groups` are the rows of its row groups. Extra columns must not disturb."""
    ordinal = pa.array(np.arange(len(rows)), type=pa.int32())
    names = pa.array([f"read {i}" for i in range(len(rows))], type=pa.utf8())
    columns = {"ordinal": ordinal, "embedding": vectors(rows, kind), "read_id": names}
    table = pa.table(columns)
    with pq.ParquetWriter(path, table.schema, **options) as writer:
        at = 0
        for size in groups if groups is not None else [len(rows)]:
            writer.write_table(table.slice(at, size), row_group_size=max(size, 1))
            at += size
    metadata = pq.ParquetFile(path).metadata
    return [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]


def clusters(random, count, width, spread=1.0):
    centres = random.normal(size=(6, width)) * 3
    return centres[random.integers(0, 6, count)] + random.normal(size=(count, width)) * spread


def small_rows():
    """740 rows with duplicates, both zeros, outliers near and far, a pair far from all others."""
    random = np.random.default_rng(7)
    rows = clusters(random, 740, 24).astype(np.float32)
    rows[:, 23] = 0.0
    rows[300:340] = rows[10:50]
    rows[735:740] = rows[3]
    rows[100] = rows[3]
    rows[100, 23] = -0.0
    rows[200] = 1e6
    rows[201:203] = -2e6
    rows[202, 0] += 1
    # Joined by a weight of ~1e-99, and by none: its largest weight, ~1e-313, has lost its digits.
    rows[600] = 300
    rows[601] = -950
    # Nearer to each other than the floor of sigma.
    rows[410:430] = rows[400] + random.normal(size=(20, 24)).astype(np.float32) * 3e-7
    return rows


def manifold_rows(random):
    """One connected cloud over two chunks of nodes: a bent sheet with a little noise."""
    latent = random.uniform(-1, 1, size=(5000, 3))
    turned = latent @ random.normal(size=(3, 6)) * 1.5
    bent = np.concatenate([np.sin(turned), np.cos(turned)], axis=1)
    return (bent + random.normal(size=bent.shape) * 0.02).astype(np.float32)


def clone_rows(random):
    """Groups that are one point but for the last digits, and rows repeated 20 times."""
    centres = random.normal(size=(90, 10)) * 2
    rows = np.repeat(centres, 50, axis=0) + random.normal(size=(4500, 10)) * 1e-4
    rows[4000:] = np.repeat(rows[:25], 20, axis=0)
    return rows[random.permutation(4500)].astype(np.float32)


def apart_rows(random):
    """Three clouds without an edge between them, and one that is too small for modes."""
    sizes = {0.0: 2400, 1e4: 2000, -1e4: 600, 5e4: 10}
    clouds = [random.normal(size=(size, 6)) + centre for centre, size in sizes.items()]
    rows = np.concatenate(clouds)
    return rows[random.permutation(len(rows))].astype(np.float32)


def sets(folder):
    """Sets as the head would seal them: (input, rows, row groups) of each shard."""
    random = np.random.default_rng(11)
    large = clusters(random, 9000, 8).astype(np.float32)
    large[5000:5100] = large[:100]
    made = {}
    plans = {
        "small": (small_rows(), [(0, [200, 100]), (0, []), (0, [50]), (1, []), (2, [390])]),
        "large": (large, [(0, [4000, 1000]), (1, [100] * 20), (1, [2000])]),
        "manifold": (manifold_rows(random), [(0, [3000]), (1, [2000])]),
        "clones": (clone_rows(random), [(0, [1500, 1000]), (1, [2000])]),
        "apart": (apart_rows(random), [(0, [1000]), (1, [3000]), (2, [1010])]),
    }
    for name, (rows, shards) in plans.items():
        place = pathlib.Path(folder, name)
        place.mkdir()
        made[name] = {"dimensions": rows.shape[1], "shards": []}
        at = 0
        for number, (source, groups) in enumerate(shards):
            file = f"part-{source:05d}-{number:06d}-0123456789ab.parquet"
            size = sum(groups)
            kind = "fixed" if number % 2 == 0 else "list"
            # Plain pages, so that a flipped byte changes a value and no decoder notices.
            plain = {"compression": "none", "use_dictionary": False}
            written = write(place / file, rows[at : at + size], kind, groups, **plain)
            made[name]["shards"].append({"file": file, "input": source, "rowGroups": written})
            at += size
        assert at == len(rows)
    print(json.dumps(made))


def paged(folder):
    """The rows of one file, its pages cut and coded otherwise each time."""
    rows = np.random.default_rng(3).normal(size=(900, 9)).astype(np.float32)
    leaf = "embedding.list.element"
    split = {"column_encoding": {leaf: "BYTE_STREAM_SPLIT"}, "use_dictionary": False}
    plain = {"use_dictionary": False}
    small = {"data_page_size": 512, "write_batch_size": 64}
    kinds = {
        "plain": plain,
        "plain-small": {**plain, **small},
        "split-zstd": {**split, "compression": "zstd"},
        "split-small": {**split, **small, "compression": "zstd"},
        "second": {**plain, **small, "data_page_version": "2.0", "compression": "zstd"},
        "second-split": {**split, "data_page_version": "2.0", "compression": "snappy"},
        "dictionary": {**small},
    }
    files = []
    for number, (name, options) in enumerate(kinds.items()):
        place = pathlib.Path(folder, name)
        place.mkdir(parents=True)
        kind = "fixed" if number % 2 == 0 else "list"
        write(place / "rows.parquet", rows, kind, [500, 400], **options)
        files.append(str(place / "rows.parquet"))
    print(json.dumps(files))


def damaged(folder):
    place = pathlib.Path(folder)
    good = np.arange(40, dtype=np.float32).reshape(10, 4)

    def single(name, column):
        pq.write_table(pa.table(column), place / f"{name}.parquet")

    write(place / "good.parquet", good)
    for name, value in {"nan": np.nan, "inf": -np.inf}.items():
        bad = good.copy()
        bad[7, 2] = value
        write(place / f"{name}.parquet", bad)
    whole = (place / "good.parquet").read_bytes()
    (place / "cut.parquet").write_bytes(whole[:-100])
    (place / "text.parquet").write_text("this is no Parquet file\n" * 10)
    write(place / "same.parquet", np.repeat(good[:1], 5, axis=0))
    write(place / "empty.parquet", good[:0])
    write(place / "one.parquet", good[:1])
    write(place / "pair.parquet", good[:2])
    write(place / "zero.parquet", good * np.array([[0.0]] + [[1.0]] * 9, dtype=np.float32))
    single("missing", {"vector": vectors(good)})
    single("scalar", {"embedding": pa.array([1.0, 2.0, 3.0], type=pa.float32())})
    doubles = pa.array(good.ravel().astype(np.float64))
    single("double", {"embedding": pa.FixedSizeListArray.from_arrays(doubles, 4)})
    lists = [list(map(float, row)) for row in good]
    kind = pa.list_(pa.float32())
    single("ragged", {"embedding": pa.array([*lists[:5], lists[5][:3], *lists[6:]], type=kind)})
    single("long", {"embedding": pa.array([*lists[:5], lists[5] + [1.0], *lists[6:]], type=kind)})
    single("null_row", {"embedding": pa.array([*lists[:5], None, *lists[6:]], type=kind)})
    single("null_value", {"embedding": pa.array([*lists[:5], [1.0, None, 2.0, 3.0]], type=kind)})
    single("empty_row", {"embedding": pa.array([*lists[:5], [], *lists[6:]], type=kind)})
    strict = pa.list_(pa.field("element", pa.float32(), nullable=False))
    schema = pa.schema([pa.field("embedding", strict, nullable=False)])
    required = pa.table([pa.array(lists, type=strict)], schema=schema)
    pq.write_table(required, place / "required.parquet")


def read_rows(files):
    parts = []
    for file in files:
        column = pq.read_table(file, columns=["embedding"]).column(0)
        for chunk in column.chunks:
            values = chunk.flatten().to_numpy(zero_copy_only=False)
            parts.append(values.reshape(len(chunk), -1) if len(chunk) else None)
    return np.concatenate([part for part in parts if part is not None and part.size])


def collapse(rows):
    """Nodes by bits, numbered by their first row."""
    bits = np.ascontiguousarray(rows).view(np.uint32)
    _, first, inverse = np.unique(bits, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return rows[np.sort(first)], number[inverse.reshape(-1)]


def neighbours(points, k):
    """Exact neighbours in the order of (squared distance, node), summed in the order of d."""
    count = len(points)
    ids = np.empty((count, k), dtype=np.int64)
    squares = np.empty((count, k))
    for lo in range(0, count, 500):
        hi = min(count, lo + 500)
        total = np.zeros((hi - lo, count))
        for d in range(points.shape[1]):
            difference = points[lo:hi, d, None] - points[None, :, d]
            total += difference * difference
        total[np.arange(hi - lo), np.arange(lo, hi)] = np.inf
        ids[lo:hi] = np.argsort(total, axis=1, kind="stable")[:, :k]
        squares[lo:hi] = np.take_along_axis(total, ids[lo:hi], axis=1)
    return ids, np.sqrt(squares)


def graph(ids, distances):
    count, k = ids.shape
    sigma = distances[:, min(7, k) - 1]
    positive = sigma[sigma > 0]
    sigma = np.maximum(sigma, 1e-6 * np.median(positive) if len(positive) else 1.0)
    exponent = distances**2 / (sigma[:, None] * sigma[ids])
    weight = np.where(exponent > 700, 0.0, np.exp(-exponent))
    start = np.repeat(np.arange(count), k)
    one_way = sparse.csr_matrix((weight.ravel(), (start, ids.ravel())), shape=(count, count))
    both = one_way.maximum(one_way.T).tocsr()
    both.eliminate_zeros()
    return both


def component_labels(weights):
    _, label = sparse.csgraph.connected_components(weights, directed=False)
    smallest = np.full(label.max() + 1, len(label))
    np.minimum.at(smallest, label, np.arange(len(label)))
    return smallest[label]


def heat(weights, degree, start, time):
    """exp(-t (I - D^-1 W)) u0; a node without edges has a zero row."""
    inverse = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
    laplacian = sparse.diags((degree > 0).astype(float)) - sparse.diags(inverse) @ weights
    if len(degree) <= 1500:
        return scipy.linalg.expm(-time * laplacian.toarray()) @ start
    return sparse.linalg.expm_multiply(-time * laplacian.tocsr(), start)


def difference(a, b):
    return float(np.max(np.abs(np.asarray(a, dtype=float) - np.asarray(b, dtype=float)), initial=0))


def check(result, metric, files, asked=None):
    data = xarray.open_dataset(result, mask_and_scale=False)
    products.documented(data)
    assert data.attrs["Conventions"].startswith("CF-") and data.attrs["metric"] == metric
    assert "read_id" in data.attrs["comment"] and "firstRow" in data.attrs["comment"]
    nodes, node_of_row = collapse(read_rows(files))
    points = nodes.astype(np.float64)
    if metric == "cosine":
        norm = np.zeros(len(points))
        for d in range(points.shape[1]):
            norm += points[:, d] * points[:, d]
        points = points / np.sqrt(norm)[:, None]
    assert np.array_equal(data.node_of_row, node_of_row)
    assert np.array_equal(data.multiplicity, np.bincount(node_of_row))

    k = data.sizes["neighbor"]
    ids, distances = neighbours(points, k)
    assert np.array_equal(data.knn_index, ids)
    report = {"distance": difference(data.knn_distance, distances)}
    assert np.array_equal(data.knn_distance, distances)

    weights = graph(ids, distances)
    degree = np.asarray(weights.sum(axis=1)).ravel()
    report["degree"] = difference(data.degree, degree)
    assert report["degree"] <= TOLERANCE_DEGREE * degree.max()
    component = component_labels(weights)
    assert np.array_equal(data.component, component)

    first = np.unique(node_of_row, return_index=True)[1]
    start = data.heat_start.values[first]
    assert np.array_equal(data.heat_start, start[node_of_row])
    sources = np.flatnonzero(data.field_kind == 0)
    wanted = np.zeros((len(nodes), len(sources)))
    wanted[node_of_row[data.field_row[sources]], np.arange(len(sources))] = 1
    assert np.array_equal(start[:, sources], wanted)
    probes = start[:, data.field_kind.values == 1]
    assert (np.abs(probes) == 1).all()
    # Fair and independent coins: five standard deviations.
    off = np.abs(probes.T @ probes / len(nodes) - np.identity(probes.shape[1])).max(initial=0)
    assert off <= 5 / np.sqrt(len(nodes)) or len(nodes) < 100, off
    report["heat"] = report["mass"] = 0.0
    for at, time in enumerate(data.time.values):
        if len(nodes) <= 1500 or time <= EXACT_TIME_MAX:
            values = heat(weights, degree, start, time)
            report["heat"] = max(report["heat"], difference(data.heat[at], values[node_of_row]))
        mass = degree @ start / degree.sum()
        kept = degree @ data.heat[at].values[first]
        report["mass"] = max(report["mass"], difference(kept / degree.sum(), mass))
        report["mass"] = max(report["mass"], difference(data.heat_mass[at], mass))
    assert report["heat"] <= TOLERANCE_HEAT and report["mass"] <= TOLERANCE_HEAT
    assert (data.heat_error_bound <= 1e-10).all()
    least, most = start.min(axis=0) - 1e-10, start.max(axis=0) + 1e-10
    assert (data.heat.values >= least).all() and (data.heat.values <= most).all()
    products.energy(data, weights, degree)
    products.outliers(data)
    if "mode" in data.sizes:
        report.update(products.modes(data, weights, degree, component))
        report.update(products.clusters(data, component, degree, asked))
    else:
        assert len(products.parts_of(component)) == 0 or asked == 0
    if "sample" in data.sizes:
        products.samples(data, pathlib.Path(files[0]).parent)
    assert float(data.heat[0].max()) > 0
    report.update(nodes=len(nodes), components=len(np.unique(component)),
                  isolated=int((degree == 0).sum()), k=k, samples="sample" in data.sizes,
                  fields=data.field_index.values[sources].tolist(), probes=probes.shape[1],
                  fieldRows=data.field_row.values[sources].tolist(),
                  times=data.time.values.tolist())
    print(json.dumps(report))


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "sets":
        sets(*rest)
    elif command == "damaged":
        damaged(*rest)
    elif command == "paged":
        paged(*rest)
    else:
        metric, _, asked = rest[1].partition(":")
        check(rest[0], metric, rest[2:], int(asked) if asked else None)
