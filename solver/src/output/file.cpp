// Owns the calls of parallel NetCDF-4; see file.h.
#include "output/file.h"

#include <netcdf.h>
#include <netcdf_par.h>
#include <unistd.h>

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

}  // namespace

File::File(MPI_Comm comm, const std::string& path) {
  abortOnFileErrors(path);
  MPI_Info hints = plainWrites();
  const int status = nc_create_par(path.c_str(), NC_NETCDF4 | NC_CLOBBER, comm, hints, &id_);
  MPI_Info_free(&hints);
  check(status, path);
  check(nc_set_fill(id_, NC_NOFILL, nullptr), "no fill");
}

int File::dimension(const char* name, int64_t length) {
  int dimension = 0;
  check(nc_def_dim(id_, name, (size_t)length, &dimension), name);
  return dimension;
}

void File::text(int variable, const char* name, const std::string& value) {
  check(nc_put_att_text(id_, variable, name, value.size(), value.data()), name);
}

void File::numbers(int variable, const char* name, const std::vector<double>& values) {
  check(nc_put_att_double(id_, variable, name, NC_DOUBLE, values.size(), values.data()), name);
}

void File::numbers(int variable, const char* name, const std::vector<int32_t>& values) {
  check(nc_put_att_int(id_, variable, name, NC_INT, values.size(), values.data()), name);
}

int File::variable(const char* name, int type, const std::vector<int>& dimensions,
                   const std::string& longName, const std::string& comment) {
  int variable = 0;
  check(nc_def_var(id_, name, type, (int)dimensions.size(), dimensions.data(), &variable), name);
  check(nc_def_var_chunking(id_, variable, NC_CONTIGUOUS, nullptr), name);
  text(variable, "long_name", longName);
  if (type != NC_CHAR) text(variable, "units", "1");
  if (!comment.empty()) text(variable, "comment", comment);
  return variable;
}

void File::endDefine() { check(nc_enddef(id_), "end of definitions"); }

void File::write(int variable, const std::vector<Extent>& extents, const void* values) {
  std::vector<size_t> start;
  std::vector<size_t> count;
  bool empty = false;
  for (const Extent& extent : extents) {
    start.push_back((size_t)extent.start);
    count.push_back((size_t)extent.count);
    empty = empty || extent.count == 0;
  }
  if (empty) {
    start.assign(start.size(), 0U);
    count.assign(count.size(), 0U);
  }
  static const double nothing = 0;
  check(nc_var_par_access(id_, variable, NC_COLLECTIVE), "collective access");
  check(nc_put_vara(id_, variable, start.data(), count.data(), values ? values : &nothing),
        "write");
}

void File::close() { check(nc_close(id_), "close"); }

}  // namespace ligase
