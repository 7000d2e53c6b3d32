// Owns the calls of parallel NetCDF-4; see netcdf.h. Each rank writes the rows and nodes it owns,
// the neighbours it searched; rank 0 writes what is small.
#include "output/netcdf.h"

#include <netcdf.h>
#include <netcdf_par.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "common/errors.h"

namespace ligase {

namespace {

void check(int status, const std::string& what) {
  if (status == NC_NOERR) return;
  throw SolverError(Exit::ioError, "NetCDF: " + what + ": " + nc_strerror(status));
}

/// The file being written, for the handler below.
std::string currentPath;

/// Ends all ranks when MPI can't read or write a file. HDF5 would hand the error up on one rank
/// only, while the others wait inside HDF5 for ever: seen with a limit on the file's size.
void fileFailed(MPI_File*, int* code, ...) {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(*code, text.data(), &length);
  unlink(currentPath.c_str());
  abortAll(SolverError(Exit::ioError, std::string("the result can't be written: ") + text.data(),
                       {{"uri", currentPath}}));
}

/// Makes the handler that of every file opened from now on.
void abortOnFileErrors(const std::string& path) {
  currentPath = path;
  MPI_Errhandler handler = MPI_ERRHANDLER_NULL;
  MPI_File_create_errhandler(fileFailed, &handler);
  MPI_File_set_errhandler(MPI_FILE_NULL, handler);
  MPI_Errhandler_free(&handler);
}

/// Hints for ROMIO: each rank writes just its bytes. Its buffers would also fill gaps between them,
/// with whatever the memory held.
MPI_Info plainWrites() {
  MPI_Info hints = MPI_INFO_NULL;
  MPI_Info_create(&hints);
  MPI_Info_set(hints, "romio_ds_write", "disable");
  MPI_Info_set(hints, "romio_cb_write", "disable");
  return hints;
}

/// Part of one dimension that a rank writes.
struct Part {
  int64_t start;
  int64_t count;
};

Part part(const Range& range) { return {range.lo, range.size()}; }

/// One file in its define phase, then in its data phase.
class File {
 public:
  File(MPI_Comm comm, const std::string& path) {
    abortOnFileErrors(path);
    MPI_Info hints = plainWrites();
    const int status = nc_create_par(path.c_str(), NC_NETCDF4 | NC_CLOBBER, comm, hints, &id_);
    MPI_Info_free(&hints);
    check(status, path);
    check(nc_set_fill(id_, NC_NOFILL, nullptr), "no fill");
  }
  // No destructor: closing is collective, and a rank that fails alone must not wait for the others.
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int dimension(const char* name, int64_t length) {
    int dimension = 0;
    check(nc_def_dim(id_, name, (size_t)length, &dimension), name);
    return dimension;
  }

  void text(int variable, const char* name, const std::string& value) {
    check(nc_put_att_text(id_, variable, name, value.size(), value.data()), name);
  }

  int variable(const char* name, nc_type type, const std::vector<int>& dimensions,
               const char* longName) {
    int variable = 0;
    check(nc_def_var(id_, name, type, (int)dimensions.size(), dimensions.data(), &variable), name);
    check(nc_def_var_chunking(id_, variable, NC_CONTIGUOUS, nullptr), name);
    text(variable, "long_name", longName);
    text(variable, "units", "1");
    return variable;
  }

  void endDefine() { check(nc_enddef(id_), "end of definitions"); }

  /// Collective; a rank may write nothing. @param values - the part, row-major.
  template <class T>
  void put(int variable, const std::vector<Part>& parts, const T* values) {
    std::vector<size_t> start;
    std::vector<size_t> count;
    for (const Part& dimension : parts) {
      start.push_back((size_t)dimension.start);
      count.push_back((size_t)dimension.count);
    }
    if (std::count(count.begin(), count.end(), 0U) > 0) {
      std::fill(start.begin(), start.end(), 0U);
      std::fill(count.begin(), count.end(), 0U);
    }
    static const T nothing{};
    check(nc_var_par_access(id_, variable, NC_COLLECTIVE), "collective access");
    check(nc_put_vara(id_, variable, start.data(), count.data(), values ? values : &nothing),
          "write");
  }

  void close() { check(nc_close(id_), "close"); }

 private:
  int id_ = -1;
};

struct Variables {
  int time, nodeOfRow, multiplicity, knnIndex, knnDistance, degree, component;
  int heat, mass, fieldInput, fieldRow;
};

Variables define(File& file, const Result& result) {
  const auto& nodes = result.nodes;
  const int row = file.dimension("row", (int64_t)nodes.ofRow.size());
  const int node = file.dimension("node", nodes.count());
  const int neighbor = file.dimension("neighbor", result.neighbors.k);
  const int time = file.dimension("time", (int64_t)result.times.size());
  const int field = file.dimension("field", (int64_t)result.fields.size());
  file.text(NC_GLOBAL, "Conventions", "CF-1.10");
  file.text(NC_GLOBAL, "title", "Nearest neighbours and heat on the graph of an embedding set");
  file.text(NC_GLOBAL, "source", "mpi_dna_seq 1");
  file.text(NC_GLOBAL, "metric", result.metric);
  file.text(NC_GLOBAL, "comment",
            "row: a row of the embeddings, which are the one Parquet file or the shards of the "
            "manifest in their order, each from its firstRow on; their column read_id names the "
            "read. node: a different embedding, numbered by its first row. All count from 0.");
  const char* distance = result.metric == "l2"
                             ? "Euclidean distance to that neighbour"
                             : "Euclidean distance of the unit vectors to that neighbour; cosine "
                               "distance is its square / 2";
  return {
      .time = file.variable("time", NC_DOUBLE, {time}, "diffusion time t of exp(-t L)"),
      .nodeOfRow = file.variable("node_of_row", NC_INT, {row},
                                 "node of the row: rows with bit-identical embeddings share one"),
      .multiplicity = file.variable("multiplicity", NC_INT, {node}, "rows of the node"),
      .knnIndex = file.variable("knn_index", NC_INT, {node, neighbor},
                                "nearest nodes in the order of (distance, node)"),
      .knnDistance = file.variable("knn_distance", NC_DOUBLE, {node, neighbor}, distance),
      .degree = file.variable("degree", NC_DOUBLE, {node}, "sum of the node's edge weights"),
      .component = file.variable("component", NC_INT, {node},
                                 "connected component, named by its smallest node"),
      .heat = file.variable("heat", NC_DOUBLE, {time, row, field},
                            "exp(-t L_rw) u0 at the row's node; u0 is 1 on field_row's, else 0"),
      .mass = file.variable("heat_mass", NC_DOUBLE, {time, field},
                            "sum over nodes of degree x heat / sum of degrees; constant in time"),
      .fieldInput = file.variable("field_input", NC_INT, {field},
                                  "index of the field's input in the manifest"),
      .fieldRow = file.variable("field_row", NC_INT, {field}, "first row of the field's input"),
  };
}

/// Heat of the rows in `range`, [times, rows, fields].
std::vector<double> heatOfRows(const Result& result, const Range& range) {
  const auto fields = (int64_t)result.fields.size();
  std::vector<double> values;
  values.reserve((size_t)(range.size() * fields) * result.times.size());
  for (const auto& all : result.heat.values) {
    for (int64_t row = range.lo; row < range.hi; row++) {
      const auto first = all.begin() + result.nodes.ofRow[(size_t)row] * fields;
      values.insert(values.end(), first, first + fields);
    }
  }
  return values;
}

void putFields(File& file, const Variables& variables, const Result& result, bool root) {
  std::vector<int32_t> inputs;
  std::vector<int32_t> rows;
  for (const Field& field : result.fields) {
    inputs.push_back((int32_t)field.input);
    rows.push_back((int32_t)field.row);
  }
  const Part times{0, root ? (int64_t)result.times.size() : 0};
  const Part fields{0, root ? (int64_t)result.fields.size() : 0};
  file.put(variables.time, {times}, result.times.data());
  file.put(variables.mass, {times, fields}, result.heat.mass.data());
  file.put(variables.fieldInput, {fields}, inputs.data());
  file.put(variables.fieldRow, {fields}, rows.data());
}

}  // namespace

void writeNetcdf(MPI_Comm comm, const std::string& path, const Result& result) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const Range rows = ownedRange((int64_t)result.nodes.ofRow.size(), rank, ranks);
  const Range nodes = result.graph.range;
  const Part neighbor{0, result.neighbors.k};
  File file(comm, path);
  const Variables variables = define(file, result);
  file.endDefine();
  file.put(variables.nodeOfRow, {part(rows)}, result.nodes.ofRow.data() + rows.lo);
  file.put(variables.multiplicity, {part(nodes)}, result.nodes.multiplicity.data() + nodes.lo);
  const Part searched = part(result.neighbors.range);
  file.put(variables.knnIndex, {searched, neighbor}, result.neighbors.ids.data());
  file.put(variables.knnDistance, {searched, neighbor}, result.neighbors.distances.data());
  file.put(variables.degree, {part(nodes)}, result.graph.degree.data());
  file.put(variables.component, {part(nodes)}, result.graph.component.data() + nodes.lo);
  const std::vector<double> heat = heatOfRows(result, rows);
  file.put(variables.heat,
           {{0, (int64_t)result.times.size()}, part(rows), {0, (int64_t)result.fields.size()}},
           heat.data());
  putFields(file, variables, result, rank == 0);
  file.close();
}

}  // namespace ligase
