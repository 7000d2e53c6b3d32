// Owns the counting of MPI calls that return, by MPI's profiling interface: whoever calls, ours or
// a library's, each one is a step of the solve. A rank that stands still lets the others' calls not
// return, so that the steps stand still too: that is what the launcher looks at.
#include <mpi.h>

#include "common/progress.h"

namespace {

int counted(int status) {
  ligase::countStep();
  return status;
}

}  // namespace

extern "C" {

int MPI_Barrier(MPI_Comm comm) { return counted(PMPI_Barrier(comm)); }

int MPI_Bcast(void* buffer, int count, MPI_Datatype type, int root, MPI_Comm comm) {
  return counted(PMPI_Bcast(buffer, count, type, root, comm));
}

int MPI_Allreduce(const void* from, void* to, int count, MPI_Datatype type, MPI_Op op,
                  MPI_Comm comm) {
  return counted(PMPI_Allreduce(from, to, count, type, op, comm));
}

int MPI_Allgather(const void* from, int fromCount, MPI_Datatype fromType, void* to, int toCount,
                  MPI_Datatype toType, MPI_Comm comm) {
  return counted(PMPI_Allgather(from, fromCount, fromType, to, toCount, toType, comm));
}

int MPI_Allgatherv(const void* from, int fromCount, MPI_Datatype fromType, void* to,
                   const int* toCounts, const int* places, MPI_Datatype toType, MPI_Comm comm) {
  return counted(
      PMPI_Allgatherv(from, fromCount, fromType, to, toCounts, places, toType, comm));
}

int MPI_Alltoall(const void* from, int fromCount, MPI_Datatype fromType, void* to, int toCount,
                 MPI_Datatype toType, MPI_Comm comm) {
  return counted(PMPI_Alltoall(from, fromCount, fromType, to, toCount, toType, comm));
}

int MPI_Alltoallv(const void* from, const int* fromCounts, const int* fromPlaces,
                  MPI_Datatype fromType, void* to, const int* toCounts, const int* toPlaces,
                  MPI_Datatype toType, MPI_Comm comm) {
  return counted(PMPI_Alltoallv(from, fromCounts, fromPlaces, fromType, to, toCounts, toPlaces,
                                toType, comm));
}

int MPI_Wait(MPI_Request* request, MPI_Status* status) {
  return counted(PMPI_Wait(request, status));
}

int MPI_Waitall(int count, MPI_Request* requests, MPI_Status* statuses) {
  return counted(PMPI_Waitall(count, requests, statuses));
}

int MPI_Sendrecv(const void* from, int fromCount, MPI_Datatype fromType, int destination,
                 int fromTag, void* to, int toCount, MPI_Datatype toType, int source, int toTag,
                 MPI_Comm comm, MPI_Status* status) {
  return counted(PMPI_Sendrecv(from, fromCount, fromType, destination, fromTag, to, toCount,
                               toType, source, toTag, comm, status));
}

int MPI_File_write_at(MPI_File file, MPI_Offset offset, const void* buffer, int count,
                      MPI_Datatype type, MPI_Status* status) {
  return counted(PMPI_File_write_at(file, offset, buffer, count, type, status));
}

int MPI_File_write_at_all(MPI_File file, MPI_Offset offset, const void* buffer, int count,
                          MPI_Datatype type, MPI_Status* status) {
  return counted(PMPI_File_write_at_all(file, offset, buffer, count, type, status));
}
}
